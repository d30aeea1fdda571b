"""Robustness metrics from records against the planted truth and a bootstrap written out by hand."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.declaration import Declaration
from robust_atp.report.tables.robustness_table import COLUMNS, robustness_table
from robust_atp.robustness import ausc, breakdown_severity, mce, mpc, relative_mce, rpc

SEVERITIES = (1, 3, 5)


@pytest.fixture(scope="module")
def table(records) -> pd.DataFrame:
    return robustness_table(records).set_index(["backbone", "pruner", "metric"])


def planted(truth: Truth, pruner: str) -> np.ndarray:
    """Accuracy [corruption, clean and three severities]."""
    return np.array(
        [
            [truth.accuracy(pruner, name if s else "clean", s) for s in (0, *SEVERITIES)]
            for name in ("fog", "gaussian_noise")
        ]
    )


@pytest.mark.parametrize("pruner", ["atp", "random", "none"])
def test_metrics_of_an_arm_are_those_of_the_planted_accuracies(table, truth: Truth, pruner: str):
    accuracy = planted(truth, pruner)
    expected = {
        "mPC": mpc(accuracy),
        "rPC": rpc(accuracy),
        "MMI": 1 - rpc(accuracy),
        "AUSC": ausc(accuracy, (0, *SEVERITIES)).mean(),
        "worst cell": accuracy[:, 1:].min(),
        "breakdown severity": np.median(breakdown_severity(accuracy, (0, *SEVERITIES))),
        "breakdown censored": 0.0,
    }
    for metric, value in expected.items():
        row = table.xs(("phantom", pruner, metric))
        assert row["value"] == pytest.approx(value), metric
        assert row["lo"] <= value <= row["hi"], metric
        assert (row["n"], row["images"]) == (200, 50)


def test_ratios_are_against_the_unpruned_model_of_the_same_backbone(table, truth: Truth):
    arm, whole = planted(truth, "atp"), planted(truth, "none")
    for metric, value in {
        "mCE": mce(arm, whole),
        "relative mCE": relative_mce(arm, whole),
        "retention gap": rpc(whole) - rpc(arm),
    }.items():
        assert table.xs(("phantom", "atp", metric))["value"] == pytest.approx(value)
    assert ("phantom", "none", "mCE") not in table.index


def test_the_interval_is_that_of_the_whole_ratio(records):
    """The same images drawn for numerator and denominator, one replicate at a time."""
    frame = records.to_pandas()
    frame = frame[(frame["backbone"] == "phantom") & frame["pruner"].isin(["none", "atp"])]
    by_image = frame.pivot_table("score", "image_id", ["pruner", "intervention", "severity"])
    rng = np.random.default_rng(7)
    replicates = []
    for _ in range(400):
        drawn = rng.choice(len(by_image), len(by_image))
        means = by_image.iloc[drawn].mean()
        both = [
            [
                [means[arm, name if s else "clean", s] for s in (0, *SEVERITIES)]
                for name in ("fog", "gaussian_noise")
            ]
            for arm in ("atp", "none")
        ]
        replicates.append(float(mce(*both)))
    found = robustness_table(frame).set_index(["pruner", "metric"]).xs(("atp", "mCE"))
    assert found["se"] == pytest.approx(np.std(replicates), rel=0.15)
    assert (found["lo"], found["hi"]) == pytest.approx(
        tuple(np.quantile(replicates, [0.025, 0.975])), abs=0.02
    )


def test_declared_draws_seed_and_level_are_used(records):
    def mce_of(**declared: float) -> pd.Series:
        table = robustness_table(records, Declaration.model_validate(declared))
        return (
            table.set_index(["backbone", "pruner", "metric"])
            .loc[:, ["value", "se", "lo", "hi"]]
            .T["phantom", "atp", "mCE"]
        )

    default = mce_of()
    assert mce_of(seed=1)["se"] != default["se"]
    assert mce_of(seed=1)["value"] == default["value"]
    narrow = mce_of(level=0.5)
    assert default["lo"] < narrow["lo"] < narrow["hi"] < default["hi"]


def test_corruptions_that_cost_nothing_are_left_out_of_the_relative_error():
    truth = Truth(drop_per_severity={"fog": 0.04, "gaussian_noise": 0.0}, half_gap={"phantom": 0.0})
    found = robustness_table(synthetic_records(truth)).set_index(["pruner", "metric"])
    row = found.xs(("atp", "relative mCE"))
    assert "without gaussian_noise" in row["note"]
    assert row["value"] == pytest.approx(
        1 + 0.30 / (0.04 * 9)
    )  # fog alone: 3 × 0.10 beyond 0.04 × (1 + 3 + 5)


def test_curves_that_never_break_down_are_censored():
    truth = Truth(drop_per_severity={"fog": 0.0, "gaussian_noise": 0.0}, extra={}, half_gap={"phantom": 0.0})
    found = robustness_table(synthetic_records(truth)).set_index(["pruner", "metric"])
    assert found.xs(("atp", "breakdown censored"))["value"] == 1
    row = found.xs(("atp", "breakdown severity"))
    assert np.isnan(row["value"])
    assert row["note"] == "above 5 for at least half of the corruptions"


def test_effective_robustness_needs_five_backbones(table):
    row = table.xs(("phantom", "atp", "effective robustness"))
    assert np.isnan(row["value"])
    assert row["note"] == "needs 5 unpruned backbones on the same data, has 2"


def test_effective_robustness_is_the_height_above_the_line_of_unpruned_backbones():
    """Six backbones on one line in logit: they have none, and an arm with ten points less has less."""
    frames = []
    for number, clean in enumerate((0.5, 0.55, 0.6, 0.65, 0.7, 0.75)):
        logit = np.log(clean / (1 - clean)) - 0.5
        shifted = 1 / (1 + np.exp(-logit))
        truth = Truth(
            clean=dict.fromkeys(("none", "random", "atp"), clean),
            drop_per_severity={"fog": clean - shifted},
            extra={("atp", "fog"): 0.10},
            half_gap={f"b{number}": 0.0},
        )
        frames.append(synthetic_records(truth, images=100, questions=4, severities=(1,)).to_pandas())
    found = robustness_table(pd.concat(frames))
    found = found[found["metric"] == "effective robustness"].set_index(["backbone", "pruner"])
    for number in range(6):
        assert found.xs((f"b{number}", "none"))["value"] == pytest.approx(0, abs=0.01)
        row = found.xs((f"b{number}", "atp"))
        assert row["value"] == pytest.approx(-0.10, abs=0.01)
        assert row["hi"] < 0


def test_a_missing_cell_is_nan_and_says_so(records):
    frame = records.to_pandas()
    lost = (frame["pruner"] == "atp") & (frame["intervention"] == "fog") & (frame["severity"] == 3)
    found = robustness_table(frame[~lost]).set_index(["backbone", "pruner", "metric"])
    row = found.xs(("phantom", "atp", "mPC"))
    assert np.isnan(row["value"])
    assert row["note"] == "a cell has no answers"
    assert found.xs(("phantom", "random", "mPC"))["note"] == ""


def test_nothing_corrupted_gives_an_empty_table(records):
    frame = records.to_pandas()
    for empty in (frame[frame["severity"] == 0], frame[:0]):
        assert robustness_table(empty).empty
        assert tuple(robustness_table(empty).columns) == COLUMNS
