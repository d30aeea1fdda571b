import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]  # ships no types

from robust_atp.errors import UserError
from robust_atp.stats import benjamini_hochberg, holm, maxt

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stats.json").read_text(encoding="utf-8"))
VECTORS = GOLDEN["multiple_comparisons"]


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(("adjust", "key"), [(holm, "holm"), (benjamini_hochberg, "bh")])
def test_adjusted_p_golden(name, adjust, key):
    np.testing.assert_allclose(adjust(VECTORS[name]["p"]), VECTORS[name][key]["adjusted"])


@pytest.mark.parametrize(("adjust", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjusted_p_equals_statsmodels(adjust, method):
    p = np.random.default_rng(0).random(75) ** 3
    np.testing.assert_allclose(adjust(p), multipletests(p, method=method)[1])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_nan_is_no_member_of_the_family(adjust):
    p = np.array([0.01, np.nan, 0.04, 0.03])
    adjusted = adjust(p)
    assert np.isnan(adjusted[1])
    np.testing.assert_allclose(adjusted[[0, 2, 3]], adjust(p[[0, 2, 3]]))
    assert np.isnan(adjust([np.nan])).all()
    assert adjust([]).shape == (0,)


@pytest.mark.parametrize("p", [[1.2], [-0.1, 0.5], [[0.1]]])
def test_p_values_are_checked(p):
    with pytest.raises(UserError, match=r"numbers in \[0, 1\]"):
        holm(p)


def step_down_by_definition(differences):
    """The textbook algorithm over every sign pattern, one cell at a time."""
    statistic = lambda d: np.abs(d.sum(axis=0)) / np.sqrt((d**2).sum(axis=0))  # noqa: E731
    observed = statistic(differences)
    patterns = [
        statistic(np.array(s)[:, None] * differences) for s in product((1, -1), repeat=len(differences))
    ]
    order, adjusted, floor = list(np.argsort(-observed)), np.empty(len(observed)), 0.0
    for step, cell in enumerate(order):
        left = order[step:]
        floor = max(floor, np.mean([p[left].max() >= observed[cell] - 1e-12 for p in patterns]))
        adjusted[cell] = floor
    return adjusted


def test_maxt_equals_the_definition_over_all_sign_patterns():
    rng = np.random.default_rng(11)
    differences = rng.normal(size=(9, 4)) + rng.normal(size=(9, 1)) + [0.8, 0, 0.3, 1.2]
    np.testing.assert_allclose(maxt(differences), step_down_by_definition(differences))


def test_one_column_is_the_sign_flip_test():
    clustered = GOLDEN["clustered"]
    d = np.subtract(clustered["bk"], clustered["ck"])
    assert maxt(d[:, None]) == pytest.approx(clustered["signflip_exact_p"])
    oracle = permutation_test((d, 0 * d), lambda x, y: abs((x - y).sum()), permutation_type="samples",
                              alternative="greater", n_resamples=np.inf)  # fmt: skip
    assert maxt(d[:, None]) == pytest.approx(oracle.pvalue)


def test_drawn_patterns_approach_the_exact_p():
    rng = np.random.default_rng(3)
    few = rng.integers(-2, 4, size=(16, 3))
    drawn = maxt(np.vstack([few, np.zeros((1, 3))]), flips=20_000, rng=1)
    np.testing.assert_allclose(drawn, maxt(few), atol=0.01)
    np.testing.assert_array_equal(drawn, maxt(np.vstack([few, np.zeros((1, 3))]), flips=20_000, rng=1))


def test_maxt_is_no_smaller_than_the_raw_p_and_ignores_the_sign():
    differences = np.random.default_rng(8).normal(size=(12, 6)) + np.linspace(0, 1, 6)
    raw = np.concatenate([maxt(differences[:, [cell]]) for cell in range(6)])
    adjusted = maxt(differences)
    assert (adjusted >= raw - 1e-12).all()
    np.testing.assert_allclose(maxt(-differences), adjusted)


def test_copies_of_a_cell_cost_nothing():
    column = np.random.default_rng(9).normal(size=(12, 1)) + 0.5
    np.testing.assert_allclose(maxt(np.tile(column, 5)), np.tile(maxt(column), 5))


def test_maxt_of_empty_and_missing_cells():
    differences = np.random.default_rng(4).normal(size=(10, 3)) + 1
    widened = np.column_stack([differences, np.zeros(10), np.full(10, np.nan)])
    adjusted = maxt(widened)
    np.testing.assert_allclose(adjusted[:3], maxt(differences))
    assert adjusted[3] == 1
    assert np.isnan(adjusted[4])
    assert np.isnan(maxt(np.full((20, 2), np.nan))).all()


def test_shape_is_checked():
    with pytest.raises(UserError, match=r"\[images, cells\]"):
        maxt([1.0, 2.0])
