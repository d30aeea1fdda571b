import numpy as np
import pytest
from PIL import Image

from corruptions.blocks import repeated, shrunk

# Whole and broken factors; 47 x 28/47 and 71 x 28/71 put pixels on the border of two boxes.
SIZES = [
    ((32, 64), (16, 16)),
    ((33, 47), (19, 28)),
    ((36, 71), (14, 28)),
    ((224, 640), (67, 192)),
    ((40, 40), (40, 57)),
]


def pillow(image, *steps):
    """Resize step by step to (height, width), each with its own filter."""
    picture = Image.fromarray(image)
    for (height, width), resampling in steps:
        picture = picture.resize((width, height), resampling)
    return np.asarray(picture)


@pytest.fixture
def pixels():
    return np.random.RandomState(2).randint(0, 256, (640, 700, 3)).astype(np.uint8)


@pytest.mark.parametrize(("size", "small"), SIZES)
@pytest.mark.parametrize("upright", [False, True])
def test_both_ways_are_those_of_pillow(pixels, size, small, upright):
    size, small = (size[::-1], small[::-1]) if upright else (size, small)
    image = np.ascontiguousarray(pixels[: size[0], : size[1]])
    # In two steps: of its own accord Pillow 13 shrinks tall images along y first, which rounds otherwise.
    boxes = pillow(image, ((size[0], small[1]), Image.Resampling.BOX), (small, Image.Resampling.BOX))
    assert np.array_equal(shrunk(image, *small), boxes)
    assert np.array_equal(repeated(boxes, *size), pillow(boxes, (size, Image.Resampling.NEAREST)))


def test_a_mean_is_rounded_half_up(pixels):
    row = pixels[:1, :600]
    for length in (1, 2, 6, 300):  # 300 bytes can add up to more than 16 bits hold
        sums = row.reshape(1, 600 // length, length, 3).sum(axis=2, dtype=int)
        assert np.array_equal(shrunk(row, 1, 600 // length), (2 * sums + length) // (2 * length))
