"""Image files to pixels and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from robust_atp.errors import UserError, nearest


def read_rgb(path: Path) -> np.ndarray:
    """Decode an image file to uint8 RGB [H, W, 3], as stored: an EXIF orientation is not applied.

    VQAv2 and COCO annotate the stored orientation, so turning the pixels would move every box.
    Raises ``UserError`` naming the file if it is missing, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"image file is missing: {path}{_neighbour(path)}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow reports damaged files as any of these (SyntaxError for a broken PNG).
        raise UserError(f"image file cannot be decoded: {path} ({error})") from error


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


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent})"
    return nearest(path.name, (entry.name for entry in path.parent.iterdir()))
