"""How well a score tells two kinds of question apart, with several questions per image."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata, t

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate

_METHOD = "clustered AUC (Obuchowski 1997)"


def clustered_auc(
    scores: ArrayLike, positive: ArrayLike, clusters: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """P[score of a positive > score of a negative] + ½ P[equal], with an error that clusters by image.

    With V(x) the share of negatives below a positive x and V(y) the share of positives above a negative y,
    summed over the m_g positives and n_g negatives of image g,
    ``Var = S₁₀/m + S₀₁/n + 2 S₁₁/(mn)``, ``S₁₀ = I₁₀ / ((I₁₀ - 1) m) Σ_g (V_g - m_g AUC)²`` and alike for
    the negatives and for both together; I₁₀ counts the images with a positive. ½ is chance. The interval is
    AUC ± t_{I-1} · SE, cut to [0, 1]. Undefined with a reason where there is only one kind, or a score is nan;
    without interval where fewer than two images hold one of the kinds.

    Obuchowski, Nonparametric analysis of clustered ROC curve data, 1997.
    """
    return _estimate((scores,), positive, clusters, level, lowest=0.0)


def clustered_auc_difference(
    first: ArrayLike, second: ArrayLike, positive: ArrayLike, clusters: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """AUC of ``first`` - AUC of ``second``, two scores of the same questions, with an error that clusters by image.

    The variance is that of ``clustered_auc`` with the differences of V in place of V: the covariance of the two areas
    is in it. In [-1, 1]; undefined where ``clustered_auc`` is.

    DeLong et al. 1988, for clusters Obuchowski, Nonparametric analysis of clustered ROC curve data, 1997.
    """
    return _estimate((first, second), positive, clusters, level, lowest=-1.0)


def _estimate(
    scores: Sequence[ArrayLike], positive: ArrayLike, clusters: ArrayLike, level: float, lowest: float
) -> Estimate:
    """Area of the first score, minus that of the second if there is one."""
    values, labels = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if values.ndim != 2 or not values[0].shape == labels.shape == np.shape(clusters):
        raise UserError("scores, positive and clusters must be one-dimensional and of one length")
    images, group = np.unique(np.asarray(clusters), return_inverse=True)
    m, n = int(labels.sum()), int((~labels).sum())
    undefined = partial(Estimate.undefined, method=_METHOD, n=m + n, clusters=len(images))
    if missing := int(np.isnan(values).any(axis=0).sum()):
        return undefined(f"{missing} questions have no score")
    if not m or not n:
        return undefined("all questions are of one kind")
    placements = [_placements(score, labels) for score in values]
    below, above = (whole[0] - sum(whole[1:]) for whole in zip(*placements, strict=True))
    area = float(below.mean())
    residual = np.zeros((2, len(images)))  # of positives and negatives, [2, G]
    np.add.at(residual[0], group[labels], below - area)
    np.add.at(residual[1], group[~labels], above - area)
    holding = [len(np.unique(group[kind])) for kind in (labels, ~labels)]
    if min(holding) < 2:
        return undefined("one kind is on one image only", value=area)
    sums = residual @ residual.T  # [2, 2]
    variance = (
        holding[0] / (holding[0] - 1) * sums[0, 0] / m**2
        + holding[1] / (holding[1] - 1) * sums[1, 1] / n**2
        + 2 * len(images) / (len(images) - 1) * sums[0, 1] / (m * n)
    )
    se = float(np.sqrt(max(variance, 0.0)))
    half = t.ppf((1 + level) / 2, len(images) - 1) * se
    note = "" if se > 0 else "no image differs from another: the interval has no width"
    return Estimate(
        area, se, max(area - half, lowest), min(area + half, 1.0), _METHOD, m + n, len(images), note
    )


def _placements(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive [m] and of positives above each negative [n], ties half."""
    rank = rankdata(values)
    m, n = int(labels.sum()), int((~labels).sum())
    below = (rank[labels] - rankdata(values[labels])) / n
    above = 1 - (rank[~labels] - rankdata(values[~labels])) / m
    return below, above
