"""Checkerboard cut-out: the one of ImageNet-C-bar."""

import numpy as np

from corruptions.images import RGB
from corruptions.registry import register
from corruptions.waves import Field, coordinates

GREY = 128
LATTICE = 64  # fields along a side after which the draws repeat; an image crosses at most 28


def turned_board(image: RGB, rng: np.random.RandomState) -> Field:
    """Draw a turned checkerboard [H, W]: 1 on its white fields, one U(0, 1) for each black field."""
    y, x = coordinates(image)
    angle, side = rng.uniform([0, 0.1], [2 * np.pi, 0.25])
    side *= min(image.shape[:2])
    rows = np.floor((np.cos(angle) * y + np.sin(angle) * x) / side).astype(np.intp)
    columns = np.floor((np.cos(angle) * x - np.sin(angle) * y) / side).astype(np.intp)
    drawn = rng.random_sample((LATTICE, LATTICE))[rows % LATTICE, columns % LATTICE]
    return np.where((rows + columns) % 2, 1.0, drawn).astype(np.float32)


@register(
    "checkerboard_cutout",
    family="imagenet_c_bar",
    severity={"share": [0.2, 0.3, 0.4, 0.5, 0.6]},
    shared=turned_board,
)
def checkerboard_cutout(image: RGB, *, shared: Field, share: float) -> RGB:
    """Grey squares: a ``share`` of the black fields of a turned checkerboard (Mintun et al., NeurIPS 2021)."""
    return np.where((shared < share)[:, :, np.newaxis], np.uint8(GREY), image)
