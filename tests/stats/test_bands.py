import numpy as np
import pytest
from scipy.stats import t

from robust_atp.errors import UserError
from robust_atp.stats import cell_means, simultaneous_quantile


def replicates(differences: np.ndarray, draws: int = 2000) -> np.ndarray:
    return cell_means(differences, np.ones_like(differences), draws=draws).draws


def test_one_point_gives_the_t_interval():
    differences = np.random.default_rng(0).normal(size=(25, 1))
    found = simultaneous_quantile(replicates(differences, 20000), 25)
    assert found == pytest.approx(t.ppf(0.975, 24), rel=0.03)


def test_equal_points_are_one_point_and_independent_ones_are_many():
    rng = np.random.default_rng(1)
    one = rng.normal(size=(400, 1))
    same = simultaneous_quantile(replicates(np.repeat(one, 5, axis=1)), 400)
    apart = simultaneous_quantile(replicates(rng.normal(size=(400, 5))), 400)
    assert same == pytest.approx(simultaneous_quantile(replicates(one), 400))
    # Šidák: five independent points at 95 % need the 98.98 % interval of each.
    assert apart == pytest.approx(t.ppf((1 + 0.95**0.2) / 2, 399), rel=0.04)
    assert same < apart


def test_band_covers_the_whole_curve_as_often_as_it_says():
    """300 studies of 60 images and 5 correlated severities, nothing planted: Monte-Carlo error 1.3 points."""
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        d = rng.normal(size=(60, 1)) + rng.normal(size=(60, 5))
        q = simultaneous_quantile(replicates(d, 400), 60)
        covered += bool((np.abs(d.mean(axis=0)) <= q * d.std(axis=0, ddof=1) / np.sqrt(60)).all())
    assert 0.90 <= covered / 300 <= 0.99


@pytest.mark.parametrize("differences", [np.zeros((9, 3)), np.full((9, 3), np.nan), np.zeros((9, 0))])
def test_nothing_that_varies_has_no_band(differences):
    assert np.isnan(simultaneous_quantile(differences, 9))


def test_a_point_without_spread_does_not_widen_the_band():
    d = np.random.default_rng(3).normal(size=(50, 2))
    flat = np.column_stack([d, np.zeros(50)])
    assert simultaneous_quantile(replicates(flat), 50) == simultaneous_quantile(replicates(d), 50)


def test_bad_shapes_and_levels_are_named():
    with pytest.raises(UserError, match=r"\[B, S\]"):
        simultaneous_quantile([1.0, 2.0], 5)
