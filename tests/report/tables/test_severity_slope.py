"""The interaction severity × pruning against statsmodels on rows, and against what was planted."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]  # ships no types
import statsmodels.formula.api as smf  # type: ignore[import-untyped]  # ships no types
from synthetic_study import Truth, synthetic_records

from robust_atp.report.tables.excess import mean_excess_drop
from robust_atp.report.tables.severity_slope import COLUMNS, severity_slope


@pytest.fixture(scope="module")
def steeper() -> pa.Table:
    """ATP loses two points more per severity step than the unpruned model, at severities 1 to 3."""
    rows = []
    for severity in (1, 2, 3):
        extra = {("atp", name): 0.02 * severity for name in ("fog", "gaussian_noise")}
        truth = Truth(extra=extra, half_gap={"phantom": 0.0})
        found = synthetic_records(truth, severities=(severity,)).to_pandas()
        rows.append(found if severity == 1 else found[found["severity"] > 0])
    return pa.Table.from_pandas(pd.concat(rows))


def pick(table: pd.DataFrame, pruner: str, scale: str, term: str) -> pd.Series:
    (row,) = table[(table["pruner"] == pruner) & (table["scale"] == scale) & (table["term"] == term)].index
    return table.loc[row]


def long_rows(records: pa.Table, pruner: str) -> pd.DataFrame:
    """One row per question, arm and severity, with the clean answers at the foot of every ladder."""
    frame = records.to_pandas()
    frame = frame[frame["pruner"].isin(["none", pruner]) & ~frame["intervention"].isin(["blank", "shuffled"])]
    clean, bad = frame[frame["severity"] == 0], frame[frame["severity"] > 0]
    feet = [clean.assign(intervention=name) for name in bad["intervention"].unique()]
    rows = pd.concat([bad, *feet])
    return rows.assign(pruned=(rows["pruner"] == pruner).astype(float), image=rows["image_id"].astype(int))


def test_planted_slope_comes_back(steeper):
    table = severity_slope(steeper)
    row = pick(table, "atp", "probability", "slope")
    assert row["value"] == pytest.approx(0.02, abs=1e-9)
    assert row["lo"] < 0.02 < row["hi"]
    for level in (1, 2, 3):
        assert pick(table, "atp", "probability", f"severity {level}")["value"] == pytest.approx(0.02 * level)
    assert pick(table, "random", "probability", "slope")["value"] == pytest.approx(0, abs=1e-9)


def test_linear_model_is_that_of_the_rows(steeper):
    rows = long_rows(steeper, "atp")
    oracle = smf.ols("score ~ pruned * severity + C(intervention)", rows).fit(
        cov_type="cluster", cov_kwds={"groups": rows["image"], "use_correction": False}
    )
    row = pick(severity_slope(steeper), "atp", "probability", "slope")
    assert row["value"] == pytest.approx(-oracle.params["pruned:severity"])
    assert row["se"] == pytest.approx(oracle.bse["pruned:severity"] * np.sqrt(50 / 49))
    assert (row["answers"], row["images"]) == (1200, 50)


def test_log_odds_are_gee_on_the_rows(steeper):
    rows = long_rows(steeper, "atp")
    oracle = smf.gee(
        "score ~ pruned * severity + C(intervention)", "image", rows, family=sm.families.Binomial()
    ).fit()
    row = pick(severity_slope(steeper), "atp", "log-odds", "slope")
    assert row["value"] == pytest.approx(-oracle.params["pruned:severity"], rel=1e-6)
    assert row["se"] == pytest.approx(oracle.bse["pruned:severity"], rel=1e-6)
    assert row["p"] == pytest.approx(oracle.pvalues["pruned:severity"], rel=1e-5)


def test_the_mean_of_the_levels_is_the_mean_excess_drop(records):
    """With all cells answered both are the same contrast of image means, error and all."""
    table, headline = severity_slope(records), mean_excess_drop(records)
    levels = table[(table["scale"] == "probability") & table["term"].str.startswith("severity")]
    mean = levels.groupby(["backbone", "pruner"])["value"].mean()
    expected = headline.set_index(["backbone", "pruner"])["value"]
    np.testing.assert_allclose(mean, expected.loc[mean.index], atol=1e-9)


def test_one_severity_is_the_excess_drop_itself(truth: Truth):
    records = synthetic_records(truth, severities=(5,))
    headline = mean_excess_drop(records).set_index(["backbone", "pruner"])
    table = severity_slope(records)
    rows = table[(table["scale"] == "probability") & (table["term"] == "severity 5")]
    rows = rows.set_index(["backbone", "pruner"])
    for column in ("value", "se", "lo", "hi"):
        np.testing.assert_allclose(rows[column], headline.loc[rows.index, column], atol=1e-9)


def test_an_arm_that_is_never_wrong_has_a_slope_but_no_log_odds(records):
    frame = records.to_pandas()
    frame.loc[frame["pruner"] == "atp", "score"] = 1.0
    table = severity_slope(frame)
    row = pick(table[table["backbone"] == "phantom"], "atp", "log-odds", "slope")
    assert np.isnan(row["value"])
    assert "separated" in row["note"]
    assert pick(table[table["backbone"] == "phantom"], "atp", "probability", "slope")["se"] > 0


def test_an_arm_that_answers_alike_has_no_slope_and_no_test(records):
    frame = records.to_pandas()
    twin = frame[frame["pruner"] == "none"].assign(pruner="twin", keep=0.5)
    table = severity_slope(pd.concat([frame, twin]))
    twins = table[table["pruner"] == "twin"]
    assert len(twins) == 16  # two backbones, two scales, a slope and three levels
    assert twins["value"].abs().max() < 1e-9
    assert (twins["se"] == 0).all()
    assert twins["p"].isna().all()


def test_nothing_corrupted_gives_an_empty_table(records):
    frame = records.to_pandas()
    for empty in (frame[frame["severity"] == 0], frame[:0]):
        assert tuple(severity_slope(empty).columns) == COLUMNS
        assert severity_slope(empty).empty
