"""Overlap that forgives a step: does every kept token have one of the other set beside it?"""

from functools import lru_cache

import numpy as np
from scipy.ndimage import maximum_filter

# Random pairs behind each chance level: its standard error is below 0.003, and far below where it is high.
_DRAWS = 400
# Where random sets touch nearly everywhere, what is left to correct tells clustered sets from scattered ones and not
# stable from unstable: 49 of 14 x 14 tokens have a chance level of 0.90, and clusters that moved score -0.6 there.
_SATURATED = 0.8


def tolerant_overlap(a: np.ndarray, b: np.ndarray, reach: int = 1) -> np.ndarray:
    """F1 of hits both ways between fields ``a`` and ``b`` [M, rows, columns] -> [M], in [0, 1].

    A kept token is hit if the other set has one at most ``reach`` rows and columns away (Chebyshev distance);
    F1 = 2PR / (P + R) with P the share of a that is hit and R that of b. nan where a set is empty. Chance is
    far from 0: two random quarters of 6 x 6 tokens score 0.87, so report ``tolerant_stability``.
    """
    hit_a, hit_b = _share_hit(a, b, reach), _share_hit(b, a, reach)
    total = hit_a + hit_b
    return np.divide(2 * hit_a * hit_b, total, out=np.where(total == 0, 0.0, np.nan), where=total > 0)


def tolerant_stability(a: np.ndarray, b: np.ndarray, reach: int = 1) -> np.ndarray:
    """``tolerant_overlap`` corrected for chance: (F1 − E) / (1 − E), 0 by chance, at most 1.

    E is ``tolerant_chance`` of the two sizes. nan where a set is empty or E > 0.8, so on small grids with large
    sets; clustered sets that moved apart can score below 0, since random ones touch more.
    """
    overlap = tolerant_overlap(a, b, reach)
    sizes = np.stack([a.sum(axis=(1, 2)), b.sum(axis=(1, 2))], axis=1)
    pairs, of = np.unique(sizes, axis=0, return_inverse=True)
    grid = (a.shape[1], a.shape[2])
    chance = np.array([tolerant_chance(int(x), int(y), grid, reach) for x, y in pairs])[of.ravel()]
    chance = np.where(chance > _SATURATED, np.nan, chance)
    return (overlap - chance) / (1 - chance)


@lru_cache(maxsize=4096)
def tolerant_chance(a: int, b: int, grid: tuple[int, int], reach: int = 1) -> float:
    """Mean ``tolerant_overlap`` of random sets of ``a`` and of ``b`` tokens; nan if one is empty.

    Simulated on 400 pairs that are the same on every call. Symmetric in a and b.
    """
    if not a or not b:
        return float("nan")
    first, second = _random_orders(grid)
    return float(tolerant_overlap(first < min(a, b), second < max(a, b), reach).mean())


@lru_cache(maxsize=4)
def _random_orders(grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two random orders of the tokens per draw [draws, rows, columns]: the first K of one are a random set."""
    tokens = np.tile(np.arange(grid[0] * grid[1], dtype=np.int32), (_DRAWS, 1))
    rng = np.random.default_rng(0)
    first, second = (rng.permuted(tokens, axis=1).reshape(-1, *grid) for _ in range(2))
    return first, second


def _share_hit(a: np.ndarray, b: np.ndarray, reach: int) -> np.ndarray:
    """Share of each set of ``a`` with a token of its partner within reach [M]; nan for an empty one."""
    side = 2 * reach + 1
    near = maximum_filter(b.view(np.uint8), size=(1, side, side), mode="constant")
    size = a.sum(axis=(1, 2))
    hits = (a & near.view(bool)).sum(axis=(1, 2))
    return np.divide(hits, size, out=np.full(len(a), np.nan), where=size > 0)
