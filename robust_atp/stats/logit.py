"""Logistic regression whose errors allow for several rows per image."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import norm

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate
from robust_atp.stats.likelihood import information, maximum_likelihood

_METHOD = "logit, cluster-robust normal"


def logit_cluster(X: ArrayLike, y: ArrayLike, clusters: ArrayLike, *, level: float = 0.95) -> list[Estimate]:
    """Coefficients of logit P(y = 1) = Xβ, one Estimate per column of ``X`` [N, P], on the log-odds scale.

    Point estimates are plain maximum likelihood for ``y`` [N] in [0, 1] (fractions are allowed); errors are
    the sandwich clustered on ``clusters`` [N], without finite-sample factor: GEE with independence working
    correlation. ``X`` must bring its own column of ones. Severity × pruning is the coefficient of the product
    column; it can change sign against a linear fit near floor and ceiling, so report both.

    Every Estimate is nan with a reason in ``note`` where the columns are collinear, the outcome is separated
    (fitted probabilities of 0 or 1), or there are fewer than two images.
    Liang and Zeger, Longitudinal data analysis using generalized linear models, 1986.
    """
    X, y, clusters = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(clusters)
    if X.ndim != 2 or y.shape != X.shape[:1] or clusters.shape != y.shape:
        raise UserError(
            f"X must be [N, P], y and clusters [N], got {X.shape}, {y.shape} and {clusters.shape}"
        )
    if not (np.isfinite(X).all() and ((y >= 0) & (y <= 1)).all()):
        raise UserError("X must be finite and y must lie in [0, 1]")
    N, P = X.shape
    images, group = np.unique(clusters, return_inverse=True)
    G = len(images)

    def undefined(reason: str) -> list[Estimate]:
        return [Estimate.undefined(reason, method=_METHOD, n=N, clusters=G)] * P

    if G < 2:
        return undefined("fewer than two images")
    if np.linalg.matrix_rank(X) < P:
        return undefined("columns of X are collinear")
    beta = maximum_likelihood(X, y, np.ones(N))
    if beta is None:
        return undefined("the outcome is separated: fitted probabilities of 0 or 1")
    half_width = norm.ppf((1 + level) / 2)
    return [
        Estimate(float(b), float(se), float(b - half_width * se), float(b + half_width * se), _METHOD, N, G)
        for b, se in zip(beta, _sandwich_errors(X, y, group, beta), strict=True)
    ]


def _sandwich_errors(X: np.ndarray, y: np.ndarray, group: np.ndarray, beta: np.ndarray) -> np.ndarray:
    logits = X @ beta
    scores = np.zeros((group.max() + 1, X.shape[1]))  # [G, P]
    np.add.at(scores, group, X * (y - expit(logits))[:, None])
    bread = np.linalg.inv(information(X, logits, np.ones(len(y))))
    return np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread))
