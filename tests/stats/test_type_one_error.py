"""The pipeline's own tests and intervals at their nominal rates; the script of the full simulation, reduced."""

import numpy as np
import pytest
from synthetic_study import synthetic_records

from experiments.benchmarks.type_one_error import SHARE_LOST, Rate, accuracy, answers, as_cells, excess, rates
from robust_atp.report.tables.excess import mean_excess_drop


@pytest.fixture(scope="module")
def found() -> dict[str, Rate]:
    return {rate.what: rate for rate in rates(800, 60, seed=1, families=150)}


def test_clustered_tests_keep_their_level(found: dict[str, Rate]):
    """At most 7 % at nominal 5 %, within two Monte-Carlo errors (0.8 points, and 1.8 for maxT)."""
    for what in (
        "mean excess drop, clustered t: type I",
        "clean loss, clustered t: type I",
        "loss equal to the margin, non-inferiority: type I",
        "some of 6 cells, maxT: family-wise error",
    ):
        assert 0.01 < found[what].share <= 0.07 + 2 * found[what].error, what


def test_intervals_cover(found: dict[str, Rate]):
    for what in (
        "mean excess drop, clustered t: coverage",
        "mean excess drop, bootstrap: coverage",
        "loss equal to the margin, clustered t: coverage",
    ):
        assert 0.90 <= found[what].share <= 0.99, what


def test_the_simulation_can_tell_a_bad_test(found: dict[str, Rate]):
    assert found["clean loss, plain McNemar: type I"].share > 0.07
    assert found["some of 6 cells, uncorrected: family-wise error"].share > 0.12


def test_the_truth_of_the_simulation_is_what_it_says():
    right = answers(400, 100, np.random.default_rng(0))
    assert right.mean() == pytest.approx(accuracy(), abs=0.005)
    assert excess(right.astype(float)).mean() == pytest.approx(0, abs=0.005)
    assert 0 < SHARE_LOST * accuracy() < SHARE_LOST


def test_cells_of_studies_are_what_the_report_computes_from_records():
    """One simulated study as records: the same estimate, error and p value."""
    frame = synthetic_records(images=30, questions=5).to_pandas()
    frame = frame[(frame["backbone"] == "phantom") & frame["pruner"].isin(["none", "atp"])]
    frame = frame[~frame["intervention"].isin(["blank", "shuffled"])]
    # Conditions in the order of the simulation: clean first.
    frame = frame.sort_values(["severity", "intervention"], kind="stable")
    right = answers(1, 30, np.random.default_rng(3))[0].astype(float)  # [images, questions, conditions, arm]
    conditions = list(zip(frame["intervention"], frame["severity"], strict=True))
    numbers = {condition: number for number, condition in enumerate(dict.fromkeys(conditions))}
    position = [numbers[condition] for condition in conditions]
    question = frame["question_id"].astype(int)
    arm = (frame["pruner"] == "atp").astype(int)
    frame["score"] = right[question // 1000, question % 1000, position, arm]
    expected = mean_excess_drop(frame).iloc[0]
    row = as_cells(excess(right[None])).t_table().iloc[0]
    for name in ("value", "se", "lo", "hi", "p"):
        assert row[name] == pytest.approx(expected[name]), name
