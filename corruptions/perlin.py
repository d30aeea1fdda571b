"""Perlin noise: the one of ImageNet-C-bar."""

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.draws import uniform
from corruptions.filters import spread
from corruptions.images import RGB, levels_to_bytes
from corruptions.registry import register

OCTAVES = (1, 2, 4, 8, 16)
CELLS = 7  # of the coarsest lattice along the shorter side


def gradient_noise(height: int, width: int, cell: float, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Return noise [H, W] that is 0 on a lattice of ``cell`` px and has a random slope there, in about (−1, 1).

    Perlin, "An Image Synthesizer" (SIGGRAPH 1985).
    """
    (rows, down), (columns, right) = _cells(height, cell), _cells(width, cell)
    slopes = uniform(rng, rows[-1] + 2, columns[-1] + 2, 2)
    slopes /= np.linalg.norm(slopes, axis=2, keepdims=True)

    def ramp(below: int, after: int) -> NDArray[np.float32]:
        slope = slopes[rows + below][:, columns + after]  # [H, W, 2]
        return slope[:, :, 0] * (right - after) + slope[:, :, 1] * (down - below)[:, np.newaxis]

    upper, lower = (ramp(row, 0) + _smooth(right) * (ramp(row, 1) - ramp(row, 0)) for row in (0, 1))
    return np.asarray(1.5 * (upper + _smooth(down)[:, np.newaxis] * (lower - upper)), np.float32)


def _cells(side: int, cell: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return for every pixel of an axis its cell and its place in it, in [0, 1)."""
    place = np.arange(side) / cell
    return place.astype(np.intp), (place % 1).astype(np.float32)


def _smooth(share: NDArray[np.float32]) -> NDArray[np.float32]:
    return share * share * (3 - 2 * share)


def turbulence(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw a sum of the absolute values of five octaves, mapped to [0, 1]: [H, W]."""
    height, width = image.shape[:2]
    total = np.zeros((height, width), np.float32)
    for octave in OCTAVES:
        cell = min(height, width) / (CELLS * octave)
        total += np.abs(gradient_noise(height, width, cell, rng)) / np.float32(octave)
    return np.clip(0.5 * total + np.float32(0.5), 0, 1)


@register(
    "perlin_noise",
    family="imagenet_c_bar",
    severity={"opacity": [0.23, 0.26, 0.29, 0.38, 0.44]},
    shared=turbulence,
)
def perlin_noise(image: RGB, *, shared: NDArray[np.float32], opacity: float) -> RGB:
    """Pale clouds: the image mixed with ``opacity`` of Perlin turbulence (Mintun et al., NeurIPS 2021)."""
    levels = cv2.addWeighted(image.astype(np.float32), 1 - opacity, spread(shared), 255 * opacity, 0)
    return levels_to_bytes(np.asarray(levels, np.float32))
