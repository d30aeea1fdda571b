from math import erf, sqrt

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from corruptions.draws import normal, uniform, words
from corruptions.noise import COUNTS, photon_levels


@pytest.fixture
def rng():
    return np.random.RandomState(np.random.Philox(key=11))


def test_words_are_the_raw_integers_cut_in_four(rng):
    raw = np.random.Philox(key=11).random_raw(3)
    expected = [int(number) >> shift & 0xFFFF for number in raw for shift in (0, 16, 32, 48)]
    assert words(rng, 2, 5).ravel().tolist() == expected[:10]


def test_normal_values_have_the_distribution(rng):
    values = normal(rng, 200, 500)
    assert values.dtype == np.float32
    assert kstest(values.ravel(), lambda x: np.array([(1 + erf(v / sqrt(2))) / 2 for v in x])).pvalue > 0.01


def test_uniform_values_have_the_distribution(rng):
    values = uniform(rng, 200, 500)
    assert np.abs(values).max() < 1
    assert kstest(values.ravel(), "uniform", (-1, 2)).pvalue > 0.01


@pytest.mark.parametrize("photons", [60, 12, 3])
def test_photon_counts_are_poisson(photons):
    """Every grey level's share of every count, against SciPy's distribution: within one of 4,096 quantiles."""
    table = photon_levels(photons).reshape(256, COUNTS)
    for level in (0, 1, 100, 254, 255):
        shown = np.bincount(table[level], minlength=256) / COUNTS
        expected = np.zeros(256)
        for count, share in enumerate(poisson.pmf(np.arange(400), level / 255 * photons)):
            expected[int(min(count / photons, 1) * 255)] += share
        assert np.abs(shown - expected).max() <= 1.5 / COUNTS
