"""Stability of scores before the cut, against SciPy one row at a time and the golden cases."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ConstantInputWarning, spearmanr

from robust_atp.errors import UserError
from robust_atp.stability import (
    boundary_margin,
    corrected_rbo,
    rbo,
    rbo_chance,
    rbo_persistence,
    spearman,
    weighted_tau,
)

TOKENS = json.loads((Path(__file__).parents[1] / "golden/tokens.json").read_text(encoding="utf-8"))


def pair(seed, count=20, tokens=30):
    rng = np.random.default_rng(seed)
    a = rng.random((count, tokens)).round(1)  # full of ties
    return a, a + rng.normal(0, 0.3, a.shape)


@pytest.mark.parametrize("case", TOKENS["cases"], ids=lambda case: case["name"])
def test_golden(case):
    a, b = np.array([case["scores_clean"]]), np.array([case["scores_corrupt"]])
    assert spearman(a, b) == pytest.approx([case["spearman"]])
    assert weighted_tau(a, b) == pytest.approx([case["weightedtau"]])
    chance = case["rbo"]["chance_expected"]
    expected = (case["rbo"]["rbo_ext"] - chance) / (1 - chance)
    assert corrected_rbo(a, b, np.array([len(case["A"])])) == pytest.approx([expected], abs=1e-9)


def test_spearman_is_scipys_row_by_row():
    a, b = pair(0)
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman(a, b), expected)


def test_constant_scores_have_no_correlation():
    a, b = pair(1, count=2)
    a[0] = 0.5
    assert np.isnan(spearman(a, b)).tolist() == np.isnan(weighted_tau(a, b)).tolist() == [True, False]
    with pytest.warns(ConstantInputWarning):
        assert math.isnan(spearmanr(a[0], b[0]).statistic)


def test_random_rankings_have_no_corrected_rbo():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 400, 49))
    assert abs(corrected_rbo(a, b, np.full(400, 12)).mean()) < 0.02
    assert corrected_rbo(a, a, np.full(400, 12)) == pytest.approx(np.ones(400))


def test_every_row_has_the_persistence_of_its_own_budget():
    a, b = pair(3, count=3)
    kept = np.array([0, 5, 20])
    found = corrected_rbo(a, b, kept)
    assert math.isnan(found[0])
    for row in (1, 2):
        p = rbo_persistence(int(kept[row]))
        chance = rbo_chance(30, p)
        assert found[row] == pytest.approx((rbo(a[row], b[row], p) - chance) / (1 - chance))


def test_boundary_margin_is_the_gap_over_the_interquartile_range():
    scores = np.array([[0.0, 1.0, 2.0, 3.0, 8.0]] * 4)
    assert boundary_margin(scores, np.array([1, 2, 0, 5])) == pytest.approx(
        [5 / 2, 1 / 2, math.nan, math.nan], nan_ok=True
    )
    assert math.isnan(boundary_margin(np.full((1, 5), 0.3), np.array([2]))[0])
    tied = np.array([[0.0, 1.0, 1.0, 2.0]])
    assert boundary_margin(tied, np.array([2]))[0] == 0


def test_scores_of_two_shapes_are_refused():
    with pytest.raises(UserError, match="scores must be floats"):
        spearman(np.ones((1, 3)), np.ones((1, 4)))
