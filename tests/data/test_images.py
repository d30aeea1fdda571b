from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_atp.data.images import read_rgb, write_rgb
from robust_atp.errors import UserError


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_any_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (50, 40)).save(tmp_path / "image.png")
    pixels = read_rgb(tmp_path / "image.png")
    assert (pixels.shape, pixels.dtype) == ((40, 50, 3), np.uint8)


def test_the_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° for display
    Image.new("RGB", (50, 40)).save(tmp_path / "image.jpg", exif=exif)
    assert read_rgb(tmp_path / "image.jpg").shape == (40, 50, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"image.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    write_rgb(noise, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=f"image file cannot be decoded: {path}"):
        read_rgb(path)


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path) -> None:
    write_rgb(np.zeros((32, 32, 3), np.uint8), tmp_path / "000000000450.png")
    with pytest.raises(
        UserError, match=r"is missing: .*000000000451\.png   \(did you mean '000000000450\.png'\?\)"
    ):
        read_rgb(tmp_path / "000000000451.png")


def test_an_image_goes_out_and_comes_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    write_rgb(pixels, tmp_path / "image.png")
    assert np.array_equal(read_rgb(tmp_path / "image.png"), pixels)


@pytest.mark.parametrize("name", ["image.xyz", "nowhere/image.png"])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"image file cannot be written: .*{name}"):
        write_rgb(np.zeros((32, 32, 3), np.uint8), tmp_path / name)
