"""Regression on sums per image and cell, where all rows of a cell share their covariates.

Neither least squares nor the logit looks at single rows then: their normal equations and the sandwich over images
are functions of Σ score and of counts, so ten million rows cost as much as one per image and cell.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import norm, t

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate
from robust_atp.stats.likelihood import information, maximum_likelihood


def linear_cells(X: ArrayLike, num: ArrayLike, den: ArrayLike, *, level: float = 0.95) -> list[Estimate]:
    """Least squares of the scores on ``X`` [C, P], one Estimate per column: the linear probability model.

    ``num`` and ``den`` [G, C] are sums of scores and counts of rows per image and cell. Errors are the sandwich
    clustered on images times √(G/(G−1)), intervals t with G − 1 degrees of freedom: the regression with a
    column of ones alone is ``clustered_difference`` of the scores and 0. nan with a reason in ``note`` where the
    columns are collinear or there are fewer than two images.
    """
    method = "least squares, cluster-robust t"
    X, num, den = _checked(X, num, den)
    undefined = _undefined(X, den, method)
    if undefined is not None:
        return undefined
    count = den.sum(axis=0)
    beta = np.linalg.solve((X.T * count) @ X, X.T @ num.sum(axis=0))
    G = len(num)
    bread = np.linalg.inv((X.T * count) @ X)
    errors = np.sqrt(G / (G - 1)) * _sandwich(X, num - den * (X @ beta), bread)
    return _estimates(beta, errors, t.ppf((1 + level) / 2, G - 1), method, den)


def logit_cells(X: ArrayLike, num: ArrayLike, den: ArrayLike, *, level: float = 0.95) -> list[Estimate]:
    """``logit_cluster`` from sums per image and cell: the same numbers, for scores in [0, 1].

    ``X`` is [C, P], ``num`` and ``den`` are [G, C]. nan with a reason in ``note`` also where the outcome is
    separated: a cell, or a combination of cells, that is all right or all wrong.
    """
    method = "logit, cluster-robust normal"
    X, num, den = _checked(X, num, den)
    undefined = _undefined(X, den, method)
    if undefined is not None:
        return undefined
    beta = maximum_likelihood(X, num.sum(axis=0), den.sum(axis=0))
    if beta is None:
        reason = "the outcome is separated: fitted probabilities of 0 or 1"
        return [_nan(reason, den, method)] * X.shape[1]
    bread = np.linalg.inv(information(X, X @ beta, den.sum(axis=0)))
    errors = _sandwich(X, num - den * expit(X @ beta), bread)
    return _estimates(beta, errors, norm.ppf((1 + level) / 2), method, den)


def _checked(X: ArrayLike, num: ArrayLike, den: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X, num, den = (np.asarray(array, dtype=float) for array in (X, num, den))
    if X.ndim != 2 or num.shape != den.shape or num.ndim != 2 or num.shape[1] != len(X):
        raise UserError(f"X must be [C, P], num and den [G, C], got {X.shape}, {num.shape} and {den.shape}")
    # Sums of scores such as 1/3 may pass their count by rounding.
    if not np.isfinite(X).all() or not ((num >= -1e-9) & (num <= den + 1e-9)).all():
        raise UserError("X must be finite and scores lie in [0, 1], so that 0 ≤ num ≤ den")
    return X, num, den


def _undefined(X: np.ndarray, den: np.ndarray, method: str) -> list[Estimate] | None:
    answered = den.sum(axis=0) > 0
    if len(den) < 2:
        return [_nan("fewer than two images", den, method)] * X.shape[1]
    if np.linalg.matrix_rank(X[answered]) < X.shape[1]:
        return [_nan("columns of X are collinear", den, method)] * X.shape[1]
    return None


def _nan(reason: str, den: np.ndarray, method: str) -> Estimate:
    return Estimate.undefined(reason, method=method, n=round(den.sum()), clusters=len(den))


def _sandwich(X: np.ndarray, residuals: np.ndarray, bread: np.ndarray) -> np.ndarray:
    """Errors [P] from the residual sums per image and cell [G, C]."""
    influence = residuals @ X @ bread  # [G, P], what each image adds to a coefficient
    errors = np.sqrt((influence**2).sum(axis=0))
    # Two arms that answer alike leave 1e-17 of rounding, and a t statistic out of nothing.
    return np.where(errors > 1e-12, errors, 0.0)


def _estimates(
    beta: np.ndarray, errors: np.ndarray, quantile: float, method: str, den: np.ndarray
) -> list[Estimate]:
    made = partial(Estimate, method=method, n=round(den.sum()), clusters=len(den))
    return [
        made(
            float(b),
            float(se),
            float(b - quantile * se),
            float(b + quantile * se),
            note="" if se > 0 else "no image differs from another: the interval has no width",
        )
        for b, se in zip(beta, errors, strict=True)
    ]
