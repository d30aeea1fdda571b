"""Regressions on sums are the regressions on rows."""

import math

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]  # ships no types

from robust_atp.errors import UserError
from robust_atp.stats import clustered_difference, linear_cells, logit_cells, logit_cluster


def rows(images=40, seed=0):
    """Answers of two arms at four severities, one to three questions per image, some cells of some images lost."""
    rng = np.random.default_rng(seed)
    design = np.array([[1, p, s, p * s] for p in (0, 1) for s in range(4)], float)
    image, cell = (x.ravel() for x in np.meshgrid(np.arange(images), np.arange(8), indexing="ij"))
    repeats = np.where(rng.random(len(image)) < 0.1, 0, 1 + image % 3)
    image, cell = image.repeat(repeats), cell.repeat(repeats)
    logits = design[cell] @ [1.0, -0.3, -0.3, -0.1] + rng.normal(size=images)[image]
    return design, (rng.random(len(image)) < 1 / (1 + np.exp(-logits))).astype(float), image, cell


def sums(y, image, cell, cells=8):
    num, den = np.zeros((2, image.max() + 1, cells))
    np.add.at(num, (image, cell), y)
    np.add.at(den, (image, cell), 1.0)
    return num, den


def test_logit_is_that_of_the_rows():
    design, y, image, cell = rows()
    expected = logit_cluster(design[cell], y, image)
    found = logit_cells(design, *sums(y, image, cell))
    for one, other in zip(found, expected, strict=True):
        assert (one.value, one.se, one.lo, one.hi) == pytest.approx(
            (other.value, other.se, other.lo, other.hi), rel=1e-8
        )
        assert (one.n, one.clusters, one.method) == (other.n, other.clusters, other.method)


def test_soft_scores_are_a_fractional_logit():
    design, y, image, cell = rows(seed=1)
    soft = 0.3 * y + 0.6 * np.roll(y, 1)
    expected = logit_cluster(design[cell], soft, image)
    found = logit_cells(design, *sums(soft, image, cell))
    assert [e.se for e in found] == pytest.approx([e.se for e in expected], rel=1e-8)


def test_least_squares_is_that_of_the_rows_with_clustered_errors():
    design, y, image, cell = rows()
    oracle = sm.OLS(y, design[cell]).fit(
        cov_type="cluster", cov_kwds={"groups": image, "use_correction": False}
    )
    found = linear_cells(design, *sums(y, image, cell))
    G = image.max() + 1
    np.testing.assert_allclose([e.value for e in found], oracle.params, rtol=1e-9)
    np.testing.assert_allclose([e.se for e in found], oracle.bse * math.sqrt(G / (G - 1)), rtol=1e-9)


def test_a_column_of_ones_is_the_clustered_mean():
    _, y, image, _ = rows()
    expected = clustered_difference(y, np.zeros_like(y), image)
    num, den = sums(y, image, np.zeros_like(image), cells=1)
    (found,) = linear_cells([[1.0]], num, den)
    assert (found.value, found.se, found.lo, found.hi) == pytest.approx(
        (expected.value, expected.se, expected.lo, expected.hi)
    )


@pytest.mark.parametrize(
    ("num", "note"),
    [([[1, 0], [1, 0]], "separated"), ([[1, 1], [1, 0]], "separated"), ([[1, 0]], "fewer than two images")],
)
def test_undefined_logits_say_why(num, note):
    for estimate in logit_cells([[1, 0], [1, 1]], num, np.ones_like(num)):
        assert math.isnan(estimate.value)
        assert note in estimate.note


def test_a_cell_that_nobody_answered_identifies_nothing():
    for fit in (linear_cells, logit_cells):
        assert "collinear" in fit([[1, 0], [1, 1]], [[1, 0], [0, 0]], [[1, 0], [1, 0]])[0].note


def test_bad_input_is_named():
    with pytest.raises(UserError, match=r"num and den \[G, C\]"):
        linear_cells([[1.0]], [[1, 2]], [[1, 2]])
    with pytest.raises(UserError, match="0 ≤ num ≤ den"):
        linear_cells([[1.0]], [[3]], [[2]])
