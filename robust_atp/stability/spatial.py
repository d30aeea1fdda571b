"""How far kept tokens move over the patch grid, in units of the grid's diagonal."""

from collections.abc import Iterable

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance_nd

from robust_atp.errors import UserError
from robust_atp.stability.overlap import index_set


def centroid_shift(kept_a: Iterable[int], kept_b: Iterable[int], grid: tuple[int, int]) -> float:
    """Distance between the centroids of two kept sets over a ``grid`` of (rows, columns), in [0, 1].

    Token i stands at row i // columns, column i % columns; 1 is the distance between opposite corner tokens.
    Blind to spread. nan where undefined: an empty set, or a grid of one token.
    """
    a, b = _positions(kept_a, grid), _positions(kept_b, grid)
    if not len(a) or not len(b):
        return float("nan")
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def emd(kept_a: Iterable[int], kept_b: Iterable[int], grid: tuple[int, int]) -> float:
    """Earth mover's distance (Wasserstein-1) between two kept sets, each of total mass 1, in [0, 1].

    Coordinates and undefined cases as in ``centroid_shift``; 0 only for equal sets. Sets of equal size are an
    assignment problem; unequal sizes take a linear program that is slow beyond some 200 tokens that differ.
    """
    a, b = index_set(kept_a), index_set(kept_b)
    if not len(a) or not len(b) or max(grid) < 2:
        _positions(np.concatenate([a, b])[:1], grid)
        return float("nan")
    if len(a) > len(b):
        a, b = b, a
    # Mass that both sets put on the same token need not move, so only differences are transported.
    surplus = np.where(np.isin(a, b), 1 / len(a) - 1 / len(b), 1 / len(a))
    source, missing = a[surplus > 0], np.setdiff1d(b, a)
    if not len(missing):
        return 0.0
    start, end = _positions(source, grid), _positions(missing, grid)
    if len(a) == len(b):
        cost = cdist(start, end)
        return float(cost[linear_sum_assignment(cost)].sum() / len(a))
    moved = len(missing) / len(b)
    return float(moved * wasserstein_distance_nd(start, end, surplus[surplus > 0] / moved))


def _positions(kept: Iterable[int], grid: tuple[int, int]) -> np.ndarray:
    """Rows and columns [K, 2] in units of the grid's diagonal."""
    rows, columns = grid
    if rows < 1 or columns < 1:
        raise UserError(f"grid must be (rows, columns) of at least 1, got {grid}")
    indices = index_set(kept, rows * columns)
    diagonal = np.hypot(rows - 1, columns - 1) or np.nan
    return np.stack(np.divmod(indices, columns), axis=1) / diagonal
