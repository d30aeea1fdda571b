"""Fractal height maps."""

import numpy as np
from numpy.typing import NDArray


def plasma(side: int, decay: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Return a periodic height map [side, side] in [0, 1] by the diamond-square algorithm.

    ``side`` is a power of two. Each refinement sets the centres of the squares and then the middles of their
    edges to the mean of their four neighbours plus w · U(−w, w), w = 100 / decay^level (the width enters
    twice, as in ImageNet-C's code). Fournier, Fussell & Carpenter, CACM 1982.
    """
    heights = np.zeros((side, side))
    step, wobble = side, 100.0

    def settled(neighbour_sum: NDArray[np.float64]) -> NDArray[np.float64]:
        return neighbour_sum / 4 + wobble * rng.uniform(-wobble, wobble, neighbour_sum.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = centres = settled(pairs + np.roll(pairs, -1, axis=1))
        across = (centres + np.roll(centres, 1, axis=0)) + (corners + np.roll(corners, -1, axis=1))
        heights[::step, half::step] = settled(across)
        along = (centres + np.roll(centres, 1, axis=1)) + (corners + np.roll(corners, -1, axis=0))
        heights[half::step, ::step] = settled(along)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return heights / heights.max()
