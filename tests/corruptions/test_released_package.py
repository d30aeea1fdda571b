"""Equality with the released package, which is loaded behind the stand-ins of ``corruption_oracle``.

Both sides get the same draws (``released_draws``), so the random types are compared pixel by pixel like the others.
Two types draw something else than the released package does. They are compared by their distributions, and so are the
streams of all others: ``test_distributions``.
"""

import warnings

import cv2
import numpy as np
import pytest
import skimage.data
from scipy.stats import ks_2samp

from corruptions import corrupt, names
from corruptions.registry import find
from tests.corruptions import released_draws
from tests.corruptions.corruption_oracle import released
from tests.corruptions.released_draws import OWN_DRAWS, plane

# Single precision or a table instead of the released double arithmetic; all others are equal to the last bit.
EXACT = {"contrast", "frost", "glass_blur", "jpeg_compression", "pixelate", "saturate"}
SAME_DRAWS = [name for name in names("all") if name not in OWN_DRAWS]


def both(image, name, severity, key=3):
    ours, theirs = released_draws.both(image, name, severity, key)
    return ours.astype(int), theirs.astype(int)


def overexposed(photo):
    return np.clip(photo.astype(int) * 2, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(photo):
    coffee = cv2.resize(skimage.data.coffee(), (129, 86), interpolation=cv2.INTER_AREA)
    return {"astronaut": photo, "coffee": coffee, "overexposed": overexposed(photo)[:80]}


@pytest.mark.parametrize("name", SAME_DRAWS)
def test_photos_equal_the_released_package(photos, name):
    for image in photos.values():
        for severity in range(1, 6):
            ours, theirs = both(image, name, severity)
            difference = ours - theirs
            if name in EXACT:
                assert not difference.any(), severity
                continue
            assert np.abs(difference).max() <= 1, severity
            assert abs(difference.mean()) < 0.01
            assert (difference**2).mean() < 255**2 / 10**5  # 50 dB


@pytest.mark.parametrize("name", SAME_DRAWS)
def test_awkward_images_are_within_one_level(name):
    random = np.random.RandomState(0)
    images = [np.full((33, 47, 3), level, np.uint8) for level in (0, 77, 255)]
    images.append(random.randint(0, 256, (32, 32, 3)).astype(np.uint8))  # smaller than the longest motion
    images.append(random.randint(0, 256, (32, 160, 3)).astype(np.uint8))
    images.append(random.randint(0, 256, (36, 71, 3)).astype(np.uint8))  # the zoom by 1.2 overshoots 36 px
    for image in images:
        for severity in (3, 5):
            ours, theirs = both(image, name, severity)
            assert np.abs(ours - theirs).max() <= (name not in EXACT), (image.shape, severity)


def test_zoom_blur_darkens_the_edge_that_the_released_package_darkens():
    white = np.full((36, 36, 3), 255, np.uint8)
    ours, theirs = both(white, "zoom_blur", 3)
    assert theirs[-1].max() < theirs[:-1, :-1].min()
    assert np.array_equal(ours, theirs)


def test_frost_is_enlarged_for_images_larger_than_the_photographs():
    image = np.full((700, 40, 3), 100, np.uint8)
    for key in range(6):
        ours, theirs = both(image, "frost", 2, key)
        assert np.array_equal(ours, theirs)


def test_spatter_without_a_drop_leaves_the_image():
    """The released package divides by the brightest drop, which is 0 here, and returns an undefined cast of NaN."""
    image = np.full((32, 32, 3), 90, np.uint8)
    water = find("spatter").parameters(1) | {
        "threshold": 5.0,
        "shared": plane(image, np.random.RandomState(0)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(find("spatter").apply(image, **water), image)


@pytest.mark.parametrize("name", [name for name in names("all") if find(name).random])
def test_distributions(name, photo):
    """Two samples of 40 images, ours over sample keys and theirs over NumPy seeds, as in the wild.

    The mean and the standard deviation of (corrupted − clean) are compared by Kolmogorov and Smirnov's test. The
    seeds are fixed, so this passes or fails for good; p < 0.001 is the level at which it fails.
    """
    image = photo[20:52, 30:70]
    ours = np.stack([corrupt(image, name, 3, key=key) for key in range(40)]).astype(float) - image
    theirs = np.stack(
        [released(image, name, 3, np.random.RandomState(seed)) for seed in range(40)]
    ) - image.astype(float)
    for moment in (np.mean, np.std):
        sample = [[moment(difference) for difference in side] for side in (ours, theirs)]
        assert ks_2samp(*sample).pvalue > 0.001, moment.__name__
    assert len({difference.tobytes() for difference in ours}) > 1
