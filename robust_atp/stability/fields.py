"""How far kept tokens move, for many pairs of kept sets at once.

A field is a boolean mask over the patch grid; functions take M of them, [M, rows, columns], and return [M].
Distances are in units of the grid's diagonal, from corner token to corner token.
"""

import numpy as np

from robust_atp.errors import UserError


def centroid_shifts(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``centroid_shift`` of each pair of fields, in [0, 1]: 0 where the centroids agree.

    Blind to spread, for which see ``spreads``. nan where a field is empty or the grid is one token.
    """
    _check(a, b)
    return np.linalg.norm(_centroids(a) - _centroids(b), axis=1)


def spreads(a: np.ndarray) -> np.ndarray:
    """Mean distance of the kept tokens from their centroid, in [0, ½]; nan as in ``centroid_shifts``."""
    _check(a, a)
    places, centres = _places(a.shape[1:]), _centroids(a)  # [n, 2], [M, 2]
    squares = sum((places[:, axis] - centres[:, axis, None]) ** 2 for axis in (0, 1))  # [M, n]
    kept = a.reshape(len(a), -1)
    return _ratio((np.sqrt(squares) * kept).sum(axis=1), kept.sum(axis=1))


def transport_bounds(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Lower bound of ``emd`` of each pair of fields, in [0, 1], whatever their sizes; nan as there.

    The larger Wasserstein-1 distance of the two marginals, over rows and over columns: no way of moving tokens
    is shorter than its shadow. 0 also for different fields with equal marginals.
    """
    _check(a, b)
    diagonal = np.hypot(a.shape[1] - 1, a.shape[2] - 1) or np.nan
    return np.maximum(_marginal_transport(a, b, axis=2), _marginal_transport(a, b, axis=1)) / diagonal


def _marginal_transport(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    """Area between the two cumulative distributions over what ``axis`` leaves, in steps of the grid [M]."""
    shares = [_ratio(field.sum(axis=axis), field.sum(axis=(1, 2))[:, None]) for field in (a, b)]
    return np.abs(np.cumsum(shares[0] - shares[1], axis=1)[:, :-1]).sum(axis=1)


def _centroids(fields: np.ndarray) -> np.ndarray:
    places = _places(fields.shape[1:])
    kept = fields.reshape(len(fields), -1)
    return _ratio(kept @ places, kept.sum(axis=1, keepdims=True))  # [M, 2]


def _places(grid: tuple[int, ...]) -> np.ndarray:
    """Row and column of every token in units of the diagonal [n, 2]."""
    diagonal = np.hypot(grid[0] - 1, grid[1] - 1) or np.nan
    return np.indices(grid).reshape(2, -1).T / diagonal


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator > 0)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.dtype != bool or b.dtype != bool or a.ndim != 3 or a.shape != b.shape:
        raise UserError(
            f"fields must be boolean [M, rows, columns] of one shape, got {a.dtype} {a.shape}, {b.dtype} {b.shape}"
        )
