"""Answers to edited images, against plain loops over planted answers."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import synthetic_records

from robust_atp.probes.counterfactual import REMOVED, SWAPPED, counterfactual

WORDS = np.array(["star", "circle", "yes", "no"])


@pytest.fixture(scope="module")
def edited() -> pd.DataFrame:
    """Answers drawn from four words; blank images stand for edited ones, fog for exchanged backgrounds."""
    frame = synthetic_records(images=25, severities=(1, 5)).to_pandas()
    names = {"blank": "objects-removed", "fog": "background_swap"}
    frame["intervention"] = frame["intervention"].replace(names)
    frame["prediction"] = np.random.default_rng(7).choice(WORDS, len(frame))
    return frame


def share(table: pd.DataFrame, pruner: str, quantity: str) -> pd.Series:
    rows = table[(table["backbone"] == "phantom") & (table["pruner"] == pruner)]
    return rows[rows["quantity"] == quantity].iloc[0]


@pytest.mark.parametrize("pruner", ["none", "random", "atp"])
def test_shares_are_what_a_loop_counts(edited: pd.DataFrame, pruner: str) -> None:
    table = counterfactual(edited)
    rows = edited[(edited["backbone"] == "phantom") & (edited["pruner"] == pruner)]
    answered = {
        (row["question_id"], row["intervention"], row["severity"]): row for row in rows.to_dict("records")
    }
    same, other = [], []
    for (question, intervention, severity), row in answered.items():
        seen = answered[question, "clean", 0]["prediction"]
        if intervention == "objects-removed" and row["answer"] != "no":
            same.append(row["prediction"] == seen)
        if intervention == "background_swap" and severity == 5:
            other.append(row["prediction"] != seen)
    assert 0 < len(same) < len(other) == 100
    for quantity, found in ((REMOVED, same), (SWAPPED, other)):
        estimate = share(table, pruner, quantity)
        assert estimate["value"] == pytest.approx(np.mean(found))
        assert estimate["n"] == len(found)


def test_noise_seeds_of_one_question_are_one_question(edited: pd.DataFrame) -> None:
    again = edited[edited["intervention"] == "background_swap"].assign(noise_seed=1)
    once, twice = counterfactual(edited), counterfactual(pd.concat([edited, again]))
    pd.testing.assert_frame_equal(once, twice)


def test_either_edit_is_enough_and_none_is_nothing(edited: pd.DataFrame) -> None:
    without = edited[edited["intervention"] != "objects-removed"]
    assert set(counterfactual(without)["quantity"]) == {SWAPPED}
    assert counterfactual(without[without["intervention"] != "background_swap"]).empty
