"""Maximum likelihood of the logit, for rows that share their covariates or for single ones."""

import numpy as np
from scipy.special import expit

_MOST_STEPS = 50
_LARGEST_LOGIT = 30.0  # the probability is then 1 − 1e-13: the data separate, and the estimate is infinite


def maximum_likelihood(X: np.ndarray, num: np.ndarray, count: np.ndarray) -> np.ndarray | None:
    """Coefficients [P] of logit P = Xβ by Newton's method; None where the likelihood has no maximum.

    Row i of ``X`` [N, P] stands for ``count[i]`` answers with scores in [0, 1] that add up to ``num[i]``.
    """
    beta = np.zeros(X.shape[1])
    for _ in range(_MOST_STEPS):
        logits = X @ beta
        if np.abs(logits).max() > _LARGEST_LOGIT:
            return None
        step = np.linalg.solve(information(X, logits, count), X.T @ (num - count * expit(logits)))
        beta = beta + step
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(beta).max()):
            return beta
    return None


def information(X: np.ndarray, logits: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Fisher's information [P, P] at ``logits`` [N]."""
    return (X.T * (count * expit(logits) * expit(-logits))) @ X
