import numpy as np
import pytest
from PIL import Image

from corruptions import ConversionWarning, CorruptionError, corrupt


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_converted_and_said_so(photo, mode):
    picture = Image.fromarray(photo).convert(mode)
    with pytest.warns(ConversionWarning, match=f"mode {mode} converted to RGB"):
        result = corrupt(picture, "contrast", 2)
    assert (result.mode, result.size) == ("RGB", picture.size)
    assert np.array_equal(np.asarray(result), corrupt(np.asarray(picture.convert("RGB")), "contrast", 2))


def test_a_palette_with_transparency_keeps_its_colours(photo):
    palette = Image.fromarray(photo).convert("P")
    palette.info["transparency"] = bytes(range(256))
    with pytest.warns(ConversionWarning):
        unchanged = corrupt(palette, "fog", 0)
    assert np.array_equal(np.asarray(unchanged), np.asarray(palette.convert("RGBA"))[:, :, :3])


@pytest.mark.parametrize(
    ("channels", "mode"), [(None, "L"), (1, "L"), (2, "LA"), (4, "RGBA")], ids=["HW", "HW1", "HW2", "HW4"]
)
def test_other_arrays_are_converted_and_said_so(photo, channels, mode):
    grey = photo[:, :, 0]
    image = grey if channels is None else np.dstack([photo, grey])[:, :, :channels]
    with pytest.warns(ConversionWarning, match=mode):
        result = corrupt(image, "pixelate", 3)
    rgb = photo if channels == 4 else np.dstack([grey] * 3)
    assert np.array_equal(result, corrupt(rgb, "pixelate", 3))


def test_the_warning_points_at_the_caller(photo):
    with pytest.warns(ConversionWarning) as caught:
        corrupt(photo[:, :, 0], "fog", 1)
    with pytest.warns(ConversionWarning) as also_caught:
        corrupt(Image.fromarray(photo).convert("L"), "fog", 1)
    assert [warning.filename for warning in (*caught, *also_caught)] == [__file__, __file__]


class NotAnImage:
    pass


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((31, 64, 3), np.uint8), "at least 32 px on both sides, got 64 x 31 px"),
        (Image.new("RGB", (31, 64)), "at least 32 px on both sides, got 31 x 64 px"),
        (np.zeros((0, 0, 3), np.uint8), "at least 32 px"),
        (np.full((40, 40, 3), np.nan), r"dtype uint8, got float64; scale \[0, 1\]"),
        (np.zeros((40, 40, 3), np.uint16), "dtype uint8, got uint16"),
        (np.zeros((40, 40, 3), bool), "dtype uint8, got bool"),
        (np.zeros((3, 40, 40), np.uint8), r"got \[3, 40, 40\]; transpose\(1, 2, 0\)"),
        (np.zeros((40, 40, 5), np.uint8), r"\[H, W, 3\], got \[40, 40, 5\]"),
        (np.zeros((2, 40, 40, 3), np.uint8), r"\[H, W, 3\], got \[2, 40, 40, 3\]"),
        (Image.new("I;16", (40, 40)), "mode 'I;16'; scale it to 8 bits"),
        (Image.new("F", (40, 40)), "mode 'F'; scale it to 8 bits"),
        ([[0, 0, 0]], "PIL image, got builtins.list"),
        (NotAnImage(), f"PIL image, got {__name__}.NotAnImage"),
        (None, "PIL image, got builtins.NoneType"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(image, "fog", 3)


@pytest.mark.parametrize("severity", [6, -1, 5.01, "3", float("nan"), float("inf"), True, None, 1j])
def test_a_severity_is_a_number_from_0_to_5(photo, severity):
    with pytest.raises(CorruptionError, match="severity must be"):
        corrupt(photo, "fog", severity)


@pytest.mark.parametrize("seed", [0.5, "0", None, True])
def test_a_seed_is_an_integer(photo, seed):
    for name in ("fog", "contrast"):
        with pytest.raises(CorruptionError, match="seed must be an integer"):
            corrupt(photo, name, 1, seed=seed)


@pytest.mark.parametrize("key", [None, 1.5, ("a", 1), True])
def test_a_key_is_a_string_or_an_integer(photo, key):
    with pytest.raises(CorruptionError, match="key must be the id of the sample"):
        corrupt(photo, "fog", 1, key=key)


def test_any_file_that_pillow_opens_is_accepted(photo, tmp_path):
    for name in ("photo.png", "photo.jpg"):
        Image.fromarray(photo).save(tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            expected = corrupt(np.asarray(picture), "snow", 2)
            assert np.array_equal(np.asarray(corrupt(picture, "snow", 2)), expected)
