import json
from pathlib import Path

import numpy as np
import pytest

from robust_atp.errors import UserError
from robust_atp.robustness import (
    ausc,
    breakdown_severity,
    corruption_error,
    effective_robustness,
    excess_drop,
    mce,
    mmi,
    mpc,
    relative_corruption_error,
    relative_mce,
    rpc,
    worst_cells,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "robustness.json").read_text(encoding="utf-8"))
REFERENCE, PRUNED, WEAK = (np.array(GOLDEN["acc"][arm]) for arm in ("reference_unpruned", "pruned", "weak"))


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (REFERENCE, GOLDEN["metrics"]["reference_vs_itself"]),
        (PRUNED, GOLDEN["metrics"]["pruned_vs_reference"]),
    ],
    ids=["reference", "pruned"],
)
def test_golden(accuracy, expected):
    np.testing.assert_allclose(corruption_error(accuracy, REFERENCE), expected["CE"])
    np.testing.assert_allclose(relative_corruption_error(accuracy, REFERENCE), expected["rel_CE"])
    np.testing.assert_allclose(excess_drop(accuracy, REFERENCE), expected["excess_drop"], atol=1e-12)
    np.testing.assert_allclose(ausc(accuracy), expected["AUSC"])
    np.testing.assert_allclose(mmi(accuracy), expected["MMI"], atol=1e-12)
    assert mce(accuracy, REFERENCE) == pytest.approx(expected["mCE"])
    assert relative_mce(accuracy, REFERENCE) == pytest.approx(expected["rel_mCE"])
    assert mpc(accuracy) == pytest.approx(expected["mPC"])
    assert rpc(accuracy) == pytest.approx(expected["rPC"])
    assert rpc(accuracy) == pytest.approx(1 - expected["mean_MMI"])
    assert excess_drop(accuracy, REFERENCE).mean() == pytest.approx(expected["mean_excess_drop"])


def test_excess_drop_is_loss_under_corruption_minus_clean_loss():
    loss = REFERENCE - WEAK
    np.testing.assert_allclose(excess_drop(WEAK, REFERENCE), loss[:, 1:] - loss[:, :1])
    np.testing.assert_allclose(excess_drop(REFERENCE, WEAK), -excess_drop(WEAK, REFERENCE))


@pytest.mark.parametrize(
    "metric", [corruption_error, mce, relative_corruption_error, relative_mce, excess_drop]
)
def test_replicates_pass_through_paired_metrics(metric):
    stacked = metric(np.stack([PRUNED, WEAK]), np.stack([REFERENCE, REFERENCE]))
    np.testing.assert_allclose(stacked, [metric(PRUNED, REFERENCE), metric(WEAK, REFERENCE)])


@pytest.mark.parametrize("metric", [mpc, rpc, ausc])
def test_replicates_pass_through_metrics_of_one_arm(metric):
    np.testing.assert_allclose(metric(np.stack([PRUNED, WEAK])), [metric(PRUNED), metric(WEAK)])


def test_a_missing_cell_spoils_what_depends_on_it_and_nothing_else():
    holed = PRUNED.copy()
    holed[1, 3] = np.nan
    per_corruption = [False, True, False, False]
    np.testing.assert_array_equal(np.isnan(corruption_error(holed, REFERENCE)), per_corruption)
    np.testing.assert_array_equal(np.isnan(ausc(holed)), per_corruption)
    assert np.isnan(excess_drop(holed, REFERENCE)).sum() == 1
    assert np.isnan([mce(holed, REFERENCE), relative_mce(holed, REFERENCE), mpc(holed), rpc(holed)]).all()


def test_undefined_ratios_are_nan():
    perfect = np.ones((2, 6))
    assert np.isnan(mce(PRUNED[:2], perfect))
    assert np.isnan(relative_mce(PRUNED[:2], np.full((2, 6), 0.5)))
    assert np.isnan(rpc(np.zeros((2, 6))))
    assert mce(perfect, REFERENCE[:2]) == 0


def test_ausc_of_a_straight_line_is_its_middle():
    assert ausc([np.linspace(1, 0, 6)]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("accuracy", "message"),
    [([0.5, 0.4], "severity 0..S"), ([[0.5]], "got"), ([[78.0, 70.0]], "divide percent")],
)
def test_bad_arrays_are_named(accuracy, message):
    with pytest.raises(UserError, match=message):
        mpc(accuracy)


def test_golden_breakdown_and_worst_cell():
    expected = GOLDEN["metrics"]["pruned_vs_reference"]
    np.testing.assert_allclose(breakdown_severity(PRUNED), expected["breakdown_severity_rel10pct"])
    (worst,) = worst_cells(PRUNED)
    assert PRUNED[:, 1:].ravel()[worst] == expected["worst_cell"]


def test_golden_effective_robustness():
    golden = GOLDEN["effective_robustness"]
    for arm in ("pruned", "reference"):
        found = effective_robustness(
            golden[arm]["clean"], golden[arm]["corrupt"], golden["std_clean"], golden["std_corrupt"]
        )
        assert found == pytest.approx(golden[arm]["rho"])


def test_four_models_are_no_line():
    assert np.isnan(effective_robustness(0.7, 0.5, [0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.6, 0.7]))
    assert np.isnan(effective_robustness(0.7, 0.5, [0.6] * 5, [0.4, 0.5, 0.6, 0.7, 0.8]))


def test_breakdown_is_interpolated_between_the_levels_that_were_run():
    curve = [[0.8, 0.8, 0.6]]  # 0.72 lies 2/5 of the way from 0.8 to 0.6
    assert breakdown_severity(curve) == pytest.approx([1.4])
    assert breakdown_severity(curve, [0, 1, 5]) == pytest.approx([1 + 0.4 * 4])
    assert breakdown_severity([[0.8, 0.7, 0.8]], retained=0.95) == pytest.approx([0.4])


def test_breakdown_says_never_and_not_known():
    assert breakdown_severity([[0.8, 0.79, 0.78]]) == [np.inf]
    assert np.isnan(breakdown_severity([[0.8, np.nan, 0.2], [0.0, 0.0, 0.0]])).all()


def test_worst_cells_are_a_share_of_all_and_at_least_one():
    accuracy = np.column_stack([np.full(6, 0.9), np.linspace(0.1, 0.4, 30).reshape(6, 5)])
    assert list(worst_cells(accuracy, 0.1)) == [0, 1, 2]
    assert list(worst_cells(accuracy, 0.01)) == [0]


@pytest.mark.parametrize("metric", [mmi, breakdown_severity])
def test_replicates_pass_through_cells(metric):
    np.testing.assert_allclose(metric(np.stack([PRUNED, WEAK])), [metric(PRUNED), metric(WEAK)])


def test_area_weighs_levels_by_their_distance():
    assert ausc([[0.9, 0.6, 0.2]], [0, 1, 5]) == pytest.approx([(0.75 * 1 + 0.4 * 4) / 5])
    with pytest.raises(UserError, match="3 levels that rise from 0"):
        ausc([[0.9, 0.6, 0.2]], [1, 2, 3])
