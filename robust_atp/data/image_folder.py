"""A folder of images, and what it calls each of them."""

import os
from pathlib import Path

import numpy as np

from robust_atp.data.images import read_rgb
from robust_atp.errors import UserError


def fill(pattern: str, **values: object) -> str:
    """Fill a pattern such as ``{image_id:012d}.jpg``; ``ValueError`` if it asks for anything else."""
    try:
        return pattern.format(**values)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"cannot be filled with {', '.join(values)}: {error}") from None


def read_below(folder: Path, name: str) -> np.ndarray:
    """Pixels of the image ``name`` in ``folder``, uint8 RGB [H, W, 3]; ``UserError`` for a name that leads out of it.

    Links inside the folder are followed, wherever they lead: whoever made them knew.
    """
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise UserError(f"image '{name}' lies outside the image folder {folder}")
    return read_rgb(path)
