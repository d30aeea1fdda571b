from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_atp.data.image_folder import read_below
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


def test_an_empty_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "image.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot be decoded: .*image\.jpg \(the file is empty\)$"):
        read_rgb(tmp_path / "image.jpg")


@pytest.mark.parametrize(
    "content", [b"GIF89a", b"<html>404 Not Found</html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 40]
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be decoded: .*image\.png") as caught:
        read_rgb(tmp_path / "image.png")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read: .* \(Is a directory\)"):
        read_rgb(tmp_path)


def test_cmyk_becomes_the_colours_it_prints(tmp_path: Path) -> None:
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "image.jpg", quality=100)
    pixels = read_rgb(tmp_path / "image.jpg")
    assert pixels.shape == (30, 40, 3)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_keeps_its_high_bits(tmp_path: Path, suffix: str) -> None:
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(deep).save(tmp_path / f"image.{suffix}")
    assert np.array_equal(read_rgb(tmp_path / f"image.{suffix}"), np.dstack([deep >> 8] * 3))


def test_sixteen_bit_colour_keeps_its_high_bits(tmp_path: Path) -> None:
    import cv2

    deep = np.random.default_rng(0).integers(0, 65536, (20, 20, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "image.png"), deep[..., ::-1])
    assert np.array_equal(read_rgb(tmp_path / "image.png"), deep >> 8)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_seen(tmp_path: Path, suffix: str) -> None:
    red, blue = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    red.save(tmp_path / f"image.{suffix}", save_all=True, append_images=[blue])
    assert np.abs(read_rgb(tmp_path / f"image.{suffix}").astype(int) - (255, 0, 0)).max() <= 3


def test_an_image_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    # Ten thousand pixels a side, of one colour: a few kilobytes on disk, 300 MB in memory.
    Image.new("1", (10_000, 10_000)).save(tmp_path / "image.png")
    with pytest.raises(UserError, match=r"image\.png \(Image size \(100000000 pixels\) exceeds limit"):
        read_rgb(tmp_path / "image.png")


@pytest.mark.parametrize("name", ["../image.png", "a/../../image.png", "/etc/image.png"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    write_rgb(np.zeros((32, 32, 3), np.uint8), tmp_path / "image.png")
    with pytest.raises(UserError, match=f"image '{name}' lies outside the image folder"):
        read_below(tmp_path / "images", name)


def test_names_may_turn_inside_the_folder_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_rgb(np.zeros((32, 32, 3), np.uint8), tmp_path / "image.png")
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "image.png")
    assert read_below(tmp_path / "images", "a/../link.png").shape == (32, 32, 3)


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
