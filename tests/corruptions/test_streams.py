import numpy as np
import pytest

from corruptions.streams import random_stream

# The first draws of every distribution that a corruption uses. They are part of the published results: if one of
# these changes, every record of a random corruption changes, and RECIPE must be raised instead.
FIRST_DRAWS = {
    (0, "", "gaussian_noise", 1): (0.7452785064242845, 0.9663200174395135, 33.33093058009622, 2, 55, 2, 2),
    (42, "vqav2/458752", "fog", 1): (
        -0.40024201274165483,
        0.6713535672081414,
        41.07499925032555,
        3,
        56,
        1,
        0,
    ),
    (-7, "bild-ü.jpg", "frost", 3): (
        -0.7358635667178591,
        0.4162686171597372,
        -6.487806620320995,
        4,
        68,
        -2,
        -4,
    ),
}


@pytest.mark.parametrize("identity", FIRST_DRAWS, ids=str)
def test_streams_are_frozen(identity):
    stream = random_stream(*identity)
    drawn = (
        stream.normal(),
        stream.random_sample(),
        stream.uniform(-45, 45),
        stream.poisson(3.0),
        stream.poisson(60.0),
        *stream.randint(-4, 4, size=2),
    )
    assert drawn == pytest.approx(FIRST_DRAWS[identity], rel=0, abs=1e-15)


def test_every_part_of_the_identity_matters():
    identities = [
        (0, "", "fog", 1),
        (1, "", "fog", 1),
        (0, "1", "fog", 1),
        (0, "", "snow", 1),
        (0, "", "fog", 2),
        (0, "1\x00", "fog", 1),
        (10, "", "fog", 1),
        (1, "0", "fog", 1),
        (-1, "", "fog", 1),
        (0, "bild-ü.jpg", "fog", 1),
        (0, "bild-\udcfc.jpg", "fog", 1),  # a file name that is not UTF-8
    ]
    first = {random_stream(*identity).random_sample() for identity in identities}
    assert len(first) == len(identities)


def test_streams_of_neighbouring_keys_are_independent():
    draws = np.stack([random_stream(0, str(key), "gaussian_noise", 1).normal(size=500) for key in range(60)])
    correlations = np.asarray(np.corrcoef(draws))[np.triu_indices(60, 1)]
    # 1770 pairs of N(0, 1/500): the largest of them is at 3.6 standard deviations in the mean.
    assert np.abs(correlations).max() < 5 / np.sqrt(500)
    assert correlations.std() == pytest.approx(1 / np.sqrt(500), rel=0.1)
