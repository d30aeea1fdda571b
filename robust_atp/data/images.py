"""Image files to pixels and back."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from robust_atp.errors import UserError, nearest

# What Pillow raises for damaged files (SyntaxError for a broken PNG) and for huge ones.
_UNREADABLE = (
    OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning
)  # fmt: skip
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def read_rgb(path: Path) -> np.ndarray:
    """Decode an image file to uint8 RGB [H, W, 3], as stored: an EXIF orientation is not applied.

    VQAv2 and COCO annotate the stored orientation, so turning the pixels would move every box. Any colour mode is
    converted; transparency is dropped, 16-bit grey keeps its eight high bits, an animation is its first frame.
    Raises ``UserError`` naming the file if it is missing, truncated, no image, or larger than 89 megapixels.
    """
    try:
        return decode_rgb(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(f"image file is missing: {path}{_neighbour(path)}") from None
    except OSError as error:
        raise UserError(f"image file cannot be read: {path} ({error.strerror})") from error


def decode_rgb(content: bytes, name: str) -> np.ndarray:
    """Decode the content of an image file to uint8 RGB [H, W, 3]; see ``read_rgb``. ``name`` is for the error."""
    try:
        # Pillow only warns of an image that would take half a gigabyte, and refuses at twice its size.
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            image = Image.open(BytesIO(content))
        with image:
            return np.array(_eight_bits(image).convert("RGB"))
    except _UNREADABLE as error:
        reason = "the file is empty" if not content else error
        raise UserError(f"image file cannot be decoded: {name} ({reason})") from error


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 RGB pixels [H, W, 3] as PNG, which keeps every one of them."""
    content = BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


@dataclass(frozen=True)
class ImageFiles:
    """Image files as a sequence of pixels that is read when it is looked at: one image in memory at a time."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return read_rgb(self.paths[index])


def read_folder(path: Path) -> ImageFiles:
    """Return one image file, or all of a folder by name; ``UserError`` if there is none."""
    if not path.is_dir():
        return ImageFiles([path])
    known = Image.registered_extensions()
    found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in known)
    if not found:
        raise UserError(f"folder has no image files: {path}")
    return ImageFiles(found)


def write_rgb(image: np.ndarray | Image.Image, path: Path) -> None:
    """Write pixels to an image file; ``UserError`` naming the file for an unknown suffix or a full disk."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise UserError(f"image file cannot be written: {path} ({error})") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        # Pillow would clip at 255, which leaves a white image.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent})"
    return nearest(path.name, (entry.name for entry in path.parent.iterdir()))
