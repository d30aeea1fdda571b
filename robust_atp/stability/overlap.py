"""Overlap of two kept sets, raw and corrected for chance.

Throughout, a and b are the sizes of the two sets, r the size of their intersection, n the number of tokens.
"""

from collections.abc import Iterable

import numpy as np
from scipy.stats import hypergeom

from robust_atp.errors import UserError


def jaccard(kept_a: Iterable[int], kept_b: Iterable[int], n: int | None = None) -> float:
    """Jaccard index r / (a + b − r), in [0, 1]; nan for two empty sets.

    Not corrected for chance: two random halves of 36 tokens score 0.34, so report ``jaccard_chance`` beside
    it. ``n``, if given, only checks that every index is below it.
    """
    r, a, b = _counts(kept_a, kept_b, n)
    return float(_ratio(r, a + b - r))


def jaccard_chance(a: int, b: int, n: int) -> float:
    """Expected Jaccard index of random sets of ``a`` and of ``b`` out of ``n`` tokens; nan if both are empty.

    Exact: the mean of r / (a + b − r) over r ~ Hypergeometric(n, a, b).
    """
    if not 0 <= min(a, b) <= max(a, b) <= n:
        raise UserError(f"set sizes must lie in 0..n, got a={a}, b={b}, n={n}")
    if a == b == 0:
        return float("nan")
    r = np.arange(max(0, a + b - n), min(a, b) + 1)
    return float((hypergeom.pmf(r, n, a, b) * r / (a + b - r)).sum())


def kuncheva(kept_a: Iterable[int], kept_b: Iterable[int], n: int) -> float:
    """Kuncheva's consistency index (rn − K²) / (K (n − K)) of two sets of size K; 0 by chance, at most 1.

    nan where undefined: K = 0, K = n, or unequal sizes (``kappa`` covers those and equals it otherwise).
    Kuncheva, A stability index for feature selection, 2007.
    """
    r, a, b = _counts(kept_a, kept_b, n)
    return float(_ratio(r * n - a * a, a * (n - a))) if a == b else float("nan")


def kappa(kept_a: Iterable[int], kept_b: Iterable[int], n: int) -> float:
    """Cohen's κ of two kept sets over ``n`` tokens: (r − ab/n) / ((a + b)/2 − ab/n); 0 by chance, 1 if equal.

    Below 1 for sets of unequal size. nan where undefined: both sets empty or both full.
    Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    return float(_kappa(*_counts(kept_a, kept_b, n), n))


def jaccard_masks(kept_a: np.ndarray, kept_b: np.ndarray) -> np.ndarray:
    """``jaccard`` of each pair of rows of two boolean masks [M, n] -> [M]."""
    r, a, b = _mask_counts(kept_a, kept_b)
    return _ratio(r, a + b - r)


def kappa_masks(kept_a: np.ndarray, kept_b: np.ndarray) -> np.ndarray:
    """``kappa`` of each pair of rows of two boolean masks [M, n] -> [M]."""
    return _kappa(*_mask_counts(kept_a, kept_b), np.shape(kept_a)[1])


def kuncheva_masks(kept_a: np.ndarray, kept_b: np.ndarray) -> np.ndarray:
    """``kuncheva`` of each pair of rows of two boolean masks [M, n] -> [M]."""
    r, a, b = _mask_counts(kept_a, kept_b)
    n = np.shape(kept_a)[1]
    return np.where(a == b, _ratio(r * n - a * a, a * (n - a)), np.nan)


def index_set(kept: Iterable[int], n: int | None = None) -> np.ndarray:
    """Sorted indices [K]. ``UserError`` for repeated, fractional or out-of-range indices."""
    given = np.asarray(list(kept))
    indices = np.unique(given).astype(int)
    if len(indices) < given.size or np.any(indices != np.unique(given)):
        raise UserError(f"kept tokens must be distinct whole indices, got {given.tolist()[:8]}")
    if len(indices) and (indices[0] < 0 or (n is not None and indices[-1] >= n)):
        worst = indices[0] if indices[0] < 0 else indices[-1]
        raise UserError(f"kept token {worst} is outside 0..{'' if n is None else n - 1}")
    return indices


def _counts(kept_a: Iterable[int], kept_b: Iterable[int], n: int | None) -> tuple[int, int, int]:
    a, b = index_set(kept_a, n), index_set(kept_b, n)
    return len(np.intersect1d(a, b, assume_unique=True)), len(a), len(b)


def _mask_counts(kept_a: np.ndarray, kept_b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = np.asarray(kept_a), np.asarray(kept_b)
    if a.dtype != bool or b.dtype != bool or a.ndim != 2 or a.shape != b.shape:
        raise UserError(
            f"masks must be boolean [M, n] of one shape, got {a.dtype} {a.shape}, {b.dtype} {b.shape}"
        )
    return (a & b).sum(axis=1), a.sum(axis=1), b.sum(axis=1)


def _kappa(r: np.ndarray | int, a: np.ndarray | int, b: np.ndarray | int, n: int) -> np.ndarray:
    # Multiplied by 2n, so that numerator and denominator are whole numbers and 0 is exact.
    return _ratio(2 * (n * r - a * b), n * (a + b) - 2 * a * b)


def _ratio(numerator: np.ndarray | int, denominator: np.ndarray | int) -> np.ndarray:
    denominator = np.asarray(denominator, dtype=float)
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator != 0)
