"""Faithful grounding, against plain loops over planted answers."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from synthetic_study import synthetic_records

from robust_atp.probes.fpvg import fpvg

ANSWERS = np.array(["star", "circle", "ring"])


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    """Own answers with those from the objects and from the background, drawn from three words."""
    rng = np.random.default_rng(5)
    own = synthetic_records(images=30).to_pandas()
    own["prediction"] = rng.choice(ANSWERS, len(own))
    asked = own[own["intervention"] == "clean"]
    more = [
        asked.assign(variant=name, prediction=rng.choice(ANSWERS, len(asked)), score=rng.random(len(asked)))
        for name in ("objects only", "background only")
    ]
    return pd.concat([own, *more], ignore_index=True)


def value(table: pd.DataFrame) -> pd.Series:
    return table.set_index(["backbone", "pruner", "quantity"])["value"]


def test_every_quantity_is_what_a_loop_counts(planted: pd.DataFrame) -> None:
    rows = planted[(planted["backbone"] == "phantom") & (planted["pruner"] == "atp")]
    rows = rows[rows["intervention"] == "clean"]
    counted: dict[str, float] = defaultdict(float)
    for _, answers in rows.groupby("question_id"):
        by = {row["variant"]: row for row in answers.to_dict("records")}
        own, inside, outside = by["own"], by["objects only"], by["background only"]
        same, same_beside = (part["prediction"] == own["prediction"] for part in (inside, outside))
        word = "faithful" if same and not same_beside else "unfaithful"
        counted[f"{word} {'right' if own['score'] >= 0.5 else 'wrong'}"] += 1
        counted["faithful"] += word == "faithful"
        counted["objects suffice"] += same
        counted["background suffices"] += same_beside
        counted["accuracy on objects"] += inside["score"]
        counted["accuracy on background"] += outside["score"]
    found = value(fpvg(planted))["phantom", "atp"]
    assert set(found.index) == set(counted)
    for quantity, count in counted.items():
        assert found[quantity] == pytest.approx(count / 120), quantity


def test_the_four_kinds_are_a_partition(planted: pd.DataFrame) -> None:
    table = fpvg(planted)
    kinds = table[table["quantity"].str.endswith(("right", "wrong"))]
    assert kinds.groupby(["backbone", "pruner"])["value"].sum().to_numpy() == pytest.approx(1.0)
    assert set(table["intervention"]) == {"clean"}
    assert set(table["pruner"]) == {"none", "random", "atp"}


def test_without_the_experiment_there_is_nothing_to_measure() -> None:
    assert fpvg(synthetic_records(images=3)).empty
