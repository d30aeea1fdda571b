import math

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]  # ships no types

from robust_atp.errors import UserError
from robust_atp.stats import logit_cluster


def study(images=60, seed=0):
    """Right or wrong answers of two arms at six severities, with an effect per image."""
    rng = np.random.default_rng(seed)
    image, pruned, severity = (
        x.ravel() for x in np.meshgrid(np.arange(images), [0, 1], np.arange(6), indexing="ij")
    )
    logits = 1.2 - 0.2 * pruned - 0.3 * severity - 0.1 * pruned * severity + rng.normal(size=images)[image]
    X = np.column_stack([np.ones(len(image)), pruned, severity, pruned * severity])
    return X, (rng.random(len(image)) < 1 / (1 + np.exp(-logits))).astype(float), image


def test_equals_gee_with_independence_working_correlation():
    X, y, image = study()
    oracle = sm.GEE(y, X, groups=image, family=sm.families.Binomial()).fit()
    estimates = logit_cluster(X, y, image)
    np.testing.assert_allclose([e.value for e in estimates], oracle.params, rtol=1e-8)
    np.testing.assert_allclose([e.se for e in estimates], oracle.bse, rtol=1e-7)
    np.testing.assert_allclose([(e.lo, e.hi) for e in estimates], oracle.conf_int(), rtol=1e-6)
    assert {(e.n, e.clusters, e.note) for e in estimates} == {(720, 60, "")}


def test_soft_scores_equal_the_fractional_logit():
    X, y, image = study(seed=1)
    soft = 0.3 * y + 0.6 * np.roll(y, 1)
    oracle = sm.GLM(soft, X, family=sm.families.Binomial()).fit()
    np.testing.assert_allclose([e.value for e in logit_cluster(X, soft, image)], oracle.params, rtol=1e-7)


def test_rows_and_names_of_images_do_not_matter():
    X, y, image = study()
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = logit_cluster(X[order], y[order], np.array([f"im{i}" for i in image])[order])
    for one, other in zip(logit_cluster(X, y, image), shuffled, strict=True):
        assert (one.value, one.se) == pytest.approx((other.value, other.se))


@pytest.mark.parametrize(
    ("X", "y", "clusters", "note"),
    [
        ([[1, 0], [1, 0], [1, 1], [1, 1]], [0, 0, 1, 1], [0, 1, 2, 3], "separated"),
        ([[1, 0], [1, 0], [1, 1], [1, 1]], [0, 1, 1, 1], [0, 1, 2, 3], "separated"),
        ([[1, 2], [1, 2], [1, 2]], [0, 1, 1], [0, 1, 2], "collinear"),
        ([[1], [1], [1]], [0, 1, 1], [0, 0, 0], "fewer than two images"),
    ],
)
def test_undefined_says_why(X, y, clusters, note):
    estimates = logit_cluster(X, y, clusters)
    assert len(estimates) == len(X[0])
    for estimate in estimates:
        assert math.isnan(estimate.value)
        assert note in estimate.note


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [([1, 1], [0, 1], r"X must be \[N, P\]"), ([[1], [1]], [0, 2], "lie in"), ([[1], [1]], [0], "got")],
)
def test_bad_input_is_named(X, y, message):
    with pytest.raises(UserError, match=message):
        logit_cluster(X, y, [0, 1])
