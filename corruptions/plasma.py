"""Fractal height maps."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.draws import uniform

Map = NDArray[np.float32]  # [side, side]
Wobble = tuple[Map, Map, Map]  # of the centres of the squares, and of the middles of their edges


def plasma_draws(side: int, rng: np.random.RandomState) -> list[Wobble]:
    """Draw U(−1, 1) for every point of a map but its corner, level by level; ``side`` is a power of two."""
    sizes = [1 << level for level in range(side.bit_length() - 1)]
    return [(uniform(rng, n, n), uniform(rng, n, n), uniform(rng, n, n)) for n in sizes]


def plasma(draws: Sequence[Wobble], decay: float) -> Map:
    """Return a periodic height map in [0, 1] by the diamond-square algorithm.

    Each refinement sets the centres of the squares and then the middles of their edges to the mean of their
    four neighbours plus w · U(−w, w), w = 100 / decay^level (the width enters twice, as in ImageNet-C's code).
    Fournier, Fussell & Carpenter, CACM 1982.
    """
    heights = np.zeros((1, 1), np.float32)
    for level, (centre, across, along) in enumerate(draws):
        wobble = (100 / decay**level) ** 2

        def settled(neighbour_sum: Map, noise: Map, wobble: float = wobble) -> Map:
            return np.asarray(cv2.addWeighted(neighbour_sum, 0.25, noise, wobble, 0), np.float32)

        below, right = heights + np.roll(heights, -1, axis=0), heights + np.roll(heights, -1, axis=1)
        centres = settled(below + np.roll(below, -1, axis=1), centre)
        finer = np.empty((2 * len(heights), 2 * len(heights)), np.float32)
        finer[::2, ::2] = heights
        finer[1::2, 1::2] = centres
        finer[::2, 1::2] = settled(centres + np.roll(centres, 1, axis=0) + right, across)
        finer[1::2, ::2] = settled(centres + np.roll(centres, 1, axis=1) + below, along)
        heights = finer
    heights -= heights.min()
    heights /= heights.max()
    return heights
