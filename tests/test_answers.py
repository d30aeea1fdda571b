"""Answers side by side against the SQL that joins them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_study import synthetic_records

from robust_atp import database as module
from robust_atp.query import ANSWERS, ARM, CONDITION, POPULATION, Records, image_rows, listed, query
from robust_atp.report.tables.accuracy import losses
from robust_atp.report.tables.excess import differences

_KEYS = [*POPULATION, *ARM, *CONDITION, "image_id"]
_QUESTION = (*POPULATION, "image_id", "question_id")

JOINED = f"""
    WITH answers AS ({ANSWERS}),
    drops AS (
        SELECT {listed((*ARM, *CONDITION), "bad")}, {listed(_QUESTION)}, clean.score - bad.score AS lost
        FROM answers bad JOIN answers clean USING ({listed((*_QUESTION, *ARM))})
        WHERE bad.severity > 0 AND clean.intervention = 'clean'
    )
    SELECT {listed((*POPULATION, *CONDITION))}, {listed(ARM, "arm")}, image_id,
           sum(arm.lost - whole.lost) AS num, count(*) AS den
    FROM drops arm JOIN drops whole USING ({listed((*_QUESTION, *CONDITION))})
    WHERE arm.pruner <> 'none' AND whole.pruner = 'none' GROUP BY ALL
"""


@pytest.fixture(scope="module")
def gappy() -> pd.DataFrame:
    """Two noise seeds of some answers, and one answer in ten missing."""
    rows = synthetic_records(images=12, severities=(1, 5)).to_pandas()
    rng = np.random.default_rng(0)
    again = rows[rows["severity"] > 0].sample(frac=0.5, random_state=1).assign(noise_seed=1)
    again["score"] = rng.random(len(again))
    return pd.concat([rows, again]).sample(frac=0.9, random_state=2)


def sorted_rows(rows: pd.DataFrame) -> pd.DataFrame:
    plain = rows.astype(
        dict.fromkeys((*POPULATION, "pruner", "position_policy", "intervention", "image_id"), str)
    )
    return plain[[*_KEYS, "num", "den"]].sort_values(_KEYS, ignore_index=True)


@pytest.mark.parametrize("at_once", [1 << 17, 1_000])
def test_differences_in_differences_are_those_of_the_join(
    gappy: pd.DataFrame, at_once: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", at_once)
    found, expected = sorted_rows(differences(gappy)), sorted_rows(query(gappy, JOINED))
    assert len(found) > 100
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_losses_of_some_records_are_those_of_their_questions(gappy: pd.DataFrame):
    clean = gappy[gappy["intervention"] == "clean"]
    wide = clean.pivot_table(
        index=["backbone", "image_id", "question_id"], columns="pruner", values="score", aggfunc="mean"
    )
    rows = losses(gappy).query("intervention == 'clean'")
    for pruner in ("atp", "random"):
        mine = rows[rows["pruner"] == pruner]
        expected = (wide["none"] - wide[pruner]).dropna()
        assert mine["den"].sum() == len(expected)
        assert mine["num"].sum() == pytest.approx(expected.sum())


@pytest.mark.parametrize("records", [synthetic_records(images=2), synthetic_records(images=2).slice(0, 0)])
def test_without_an_unpruned_model_there_is_nothing_to_compare(records: pa.Table):
    without: Records = records.filter(pa.compute.not_equal(records["pruner"], "none"))
    assert differences(without).empty
    assert losses(without).empty


def test_coded_rows_are_the_plain_ones(gappy: pd.DataFrame):
    sql = "SELECT image_id, nullif(prediction, 'star') AS said, keep, score FROM records ORDER BY ALL"
    plain, coded = query(gappy, sql), image_rows(gappy, sql)
    assert list(coded.dtypes[:2]) == ["category", "category"]
    assert coded["said"].cat.categories.is_monotonic_increasing
    pd.testing.assert_frame_equal(coded.astype({"image_id": "str", "said": "str"}), plain)


def test_coded_rows_with_more_names_than_a_small_number_can_count():
    names = [f"{i:05d}" for i in range(40_000)]
    # The first batch has few names, but late ones in the alphabet.
    rows = pa.table({"image_id": [names[-1]] * 200_000 + names[::-1]})
    coded = image_rows(rows, "SELECT image_id FROM records")
    assert sorted(coded["image_id"].astype(str)) == sorted(rows["image_id"].to_pylist())
