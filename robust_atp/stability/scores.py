"""How stable the scores of tokens are, before any set is cut from them."""

import numpy as np
from scipy.stats import rankdata, weightedtau

from robust_atp.errors import UserError
from robust_atp.stability.ranking import rbo, rbo_chance, rbo_persistence


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each pair of rows of ``a`` and ``b`` [M, N] -> [M], in [-1, 1].

    0 by chance. All tokens count alike, the many that are never kept as much as those at the boundary. Ties share
    their mean rank; nan where a row is constant.
    """
    _check(a, b)
    ranks = [rankdata(scores, axis=1) - (scores.shape[1] + 1) / 2 for scores in (a, b)]
    covariance = (ranks[0] * ranks[1]).sum(axis=1)
    scale = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return np.divide(covariance, scale, out=np.full(len(a), np.nan), where=scale > 0)


def weighted_tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vigna's weighted τ of each pair of rows [M, N] -> [M], in [-1, 1]; 0 by chance.

    Exchanges near the top weigh most: additive hyperbolic weights 1 / (rank + 1), averaged over the ranks of ``a``
    and of ``b``. nan where a row is constant. Vigna, A weighted correlation index for rankings with ties, 2015.
    """
    _check(a, b)
    found = [weightedtau(x, y).statistic for x, y in zip(a, b, strict=True)]
    return np.array(found, dtype=float)


def corrected_rbo(a: np.ndarray, b: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """``rbo`` of each pair of rows [M, N], rescaled so that random rankings have 0: (RBO − e) / (1 − e), at most 1.

    ``kept`` [M] is the number of tokens that the scores are there to choose: they carry 90 % of the weight
    (``rbo_persistence`` of at least 2, as one rank alone would leave the others none). nan where 0 are kept.
    """
    _check(a, b)
    result = np.full(len(a), np.nan)
    for k in np.unique(kept[kept > 0]):
        p = rbo_persistence(max(2, int(k)))
        chance = rbo_chance(a.shape[1], p)
        rows = np.flatnonzero(kept == k)
        result[rows] = [(rbo(a[row], b[row], p) - chance) / (1 - chance) for row in rows]
    return result


def boundary_margin(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Gap between the last token kept and the first dropped, s_(K) − s_(K+1), over the interquartile range [M].

    ``scores`` [M, N], ``kept`` [M] the numbers K. At least 0, where the boundary runs through a tie; a small margin
    makes swaps cheap. nan where K is 0 or N, or the middle half of the scores is one value.
    """
    total = scores.shape[1]
    descending = -np.sort(-scores.astype(float), axis=1)
    inside = (kept > 0) & (kept < total)
    last = np.where(inside, kept, 1)[:, None] - 1
    gap = np.take_along_axis(descending, last, 1) - np.take_along_axis(
        descending, np.minimum(last + 1, total - 1), 1
    )
    low, high = np.quantile(scores.astype(float), [0.25, 0.75], axis=1)
    spread = high - low
    return np.divide(gap[:, 0], spread, out=np.full(len(scores), np.nan), where=inside & (spread > 0))


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 2 or a.shape != b.shape or a.dtype.kind != "f" or b.dtype.kind != "f":
        raise UserError(
            f"scores must be floats [M, N] of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
