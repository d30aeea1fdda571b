"""Whatever comes in: a defined result or one clear error, never another exception."""

from contextlib import nullcontext, suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from corruptions import ConversionWarning, CorruptionError, corrupt
from corruptions.catalogue import BUILT_IN, MORE

IMAGE_TYPES = [name for name in BUILT_IN if name not in MORE["text"]]
# Fuzzing finds what nobody thought of; the same examples every time keep it from failing on somebody else's change.
FUZZ = settings(
    max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

SHAPES = st.one_of(
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=48),
    st.tuples(st.integers(30, 70), st.integers(30, 70), st.sampled_from([1, 2, 3, 3, 3, 4])),
)
PIXELS = st.one_of(
    arrays.arrays(np.uint8, SHAPES, fill=st.integers(0, 255)),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint16, np.bool_]), SHAPES, fill=st.just(0)
    ),
)


@FUZZ
@pytest.mark.filterwarnings("ignore::corruptions.ConversionWarning")
@given(
    image=PIXELS,
    name=st.sampled_from(IMAGE_TYPES),
    severity=st.floats(0, 5),
    seed=st.integers(),
    key=st.text(),
)
def test_any_array_is_corrupted_or_refused(image, name, severity, seed, key):
    before = image.copy()
    mask, donor = np.ones(image.shape[:2], bool), np.full((40, 50, 3), 99, np.uint8)
    result = None
    with suppress(CorruptionError):
        result = corrupt(image, name, severity, seed, key, mask=mask, donor=donor)
    if result is None:
        whole = (
            image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and min(image.shape[:2]) >= 32
        )
        assert not whole or (name == "spatter" and 3 < severity < 4)
    else:
        assert result.shape == (*image.shape[:2], 3)
        assert result.dtype == np.uint8
    assert np.array_equal(image, before, equal_nan=image.dtype.kind == "f")


@FUZZ
@given(
    text=st.text(max_size=200),
    name=st.sampled_from(list(MORE["text"])),
    severity=st.integers(0, 5),
    key=st.text(),
)
def test_any_text_becomes_text(text, name, severity, key):
    asked = corrupt(text, name, severity, key=key)
    assert isinstance(asked, str)
    assert asked == corrupt(text, name, severity, key=key)


@FUZZ
@given(
    severity=st.one_of(st.none(), st.text(), st.booleans(), st.floats(), st.integers(), st.complex_numbers()),
    seed=st.one_of(st.none(), st.text(), st.floats(), st.integers()),
    key=st.one_of(st.none(), st.text(), st.floats(), st.integers()),
)
def test_any_argument_is_taken_or_refused(severity, seed, key):
    image = np.full((32, 32, 3), 77, np.uint8)
    wrong = [
        isinstance(severity, bool) or not isinstance(severity, int | float) or not 0 <= severity <= 5,
        not isinstance(seed, int),
        not isinstance(key, int | str),
    ]
    with pytest.raises(CorruptionError, match="must be") if any(wrong) else nullcontext():
        assert corrupt(image, "gaussian_noise", severity, seed, key).shape == image.shape


FLOATS = np.linspace(0, 1, 40 * 40 * 3).reshape(40, 40, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 1, 3), np.uint8), "at least 32 px on both sides, got 1 x 1 px"),
        (np.zeros((31, 31, 3), np.uint8), "got 31 x 31 px"),
        (np.zeros((32, 16384, 3), np.uint8), "at most 16383 px on both sides, got 16384 x 32 px"),
        (FLOATS, r"dtype uint8, got float64; scale \[0, 1\] to 0..255"),
        (FLOATS * 255, r"dtype uint8, got float64; scale \[0, 1\] to 0..255"),
        (FLOATS.astype(np.float16) * np.nan, "dtype uint8, got float16"),
        (FLOATS.astype(np.int64), "dtype uint8, got int64"),
        (FLOATS.astype(object), "dtype uint8, got object"),
    ],
)
@pytest.mark.parametrize("name", ["gaussian_noise", "perlin_noise", "webp_compression"])
def test_a_bad_image_is_one_clear_error(name, image, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(image, name, 3)


def test_grey_and_transparent_arrays_are_announced(noise_image):
    alpha = np.dstack([noise_image, noise_image[:, :, 0]])
    for given_image, expected in ((alpha, noise_image), (noise_image[:, :, 0], noise_image[:, :, [0, 0, 0]])):
        with pytest.warns(ConversionWarning):
            assert np.array_equal(corrupt(given_image, "fog", 2), corrupt(expected, "fog", 2))


@pytest.mark.parametrize("name", ["gaussian_noise", "motion_blur", "elastic_transform", "caustic_refraction"])
def test_a_wide_image_is_whole(name):
    """OpenCV's warps end at 32,767 px and 16-bit sums at 65,535; an 8k frame is far below both."""
    image = np.zeros((48, 7680, 3), np.uint8)
    image[:, ::2] = 200
    result = corrupt(image, name, 3)
    for part in np.array_split(result, 8, axis=1):
        assert part.std() > 1
