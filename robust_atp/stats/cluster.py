"""Two arms whose questions come in clusters: several questions per image."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, t

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate


class ChiSquare(NamedTuple):
    """A χ² statistic of one degree of freedom with its p value; both nan where undefined."""

    statistic: float
    pvalue: float


def clustered_difference(
    full: ArrayLike, pruned: ArrayLike, clusters: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Mean of ``full`` − ``pruned`` over questions [N], with an error that clusters questions by image.

    With d_g the sum of differences and n_g the number of questions of image g, D = Σd_g / N and
    SE² = G/(G−1) · Σ_g (d_g − n_g D)² / N²; the interval is D ± t_{G−1} · SE. Below some 30 images prefer
    ``maxt``, which needs no normality.

    Undefined with a reason in ``note``: no questions, a score that is nan, or a single image (value, no
    interval). Miller, Adding error bars to evals, 2024, with the finite-cluster factor.
    """
    method = "clustered t"
    _check_alike(full=full, pruned=pruned, clusters=clusters)
    difference = np.asarray(full, dtype=float) - np.asarray(pruned, dtype=float)  # [N]
    images, group = np.unique(np.asarray(clusters), return_inverse=True)
    N, G = len(difference), len(images)
    if N == 0:
        return Estimate.undefined("no questions", method=method)
    if missing := int(np.isnan(difference).sum()):
        return Estimate.undefined(f"{missing} questions have no score", method=method, n=N, clusters=G)
    mean = float(difference.mean())
    if G < 2:
        return Estimate.undefined("one image has no spread", method=method, n=N, clusters=G, value=mean)
    residual = np.bincount(group, weights=difference - mean)  # d_g − n_g D, [G]
    se = float(np.sqrt(G / (G - 1) * (residual**2).sum()) / N)
    # Equal differences of 0.1 leave 1e-17 of rounding, and a t statistic of 1e16 from it.
    se = se if se > 1e-12 else 0.0
    half = t.ppf((1 + level) / 2, G - 1) * se
    note = "" if se > 0 else "no image differs from another: the interval has no width"
    return Estimate(mean, se, mean - half, mean + half, method, N, G, note)


def t_pvalue(estimate: Estimate, null: float = 0.0) -> float:
    """Two-sided p value of value = ``null`` for a clustered t estimate; nan where its error is nan or 0."""
    if not estimate.se > 0:
        return float("nan")
    return float(2 * t.sf(abs(estimate.value - null) / estimate.se, estimate.clusters - 1))


def obuchowski(b: ArrayLike, c: ArrayLike) -> ChiSquare:
    """McNemar's test for clustered questions: χ² = (K−1)/K · (Σd)² / Σd² with d = b − c per image, 1 df.

    ``b`` and ``c`` [K] count, per image, the questions that only the first and only the second arm answers
    right. Statistic 0 and p = 1 where no image favours either arm; nan below two images.
    Obuchowski, On the comparison of correlated proportions for clustered data, 1998.
    """
    _check_alike(b=b, c=c)
    d = np.asarray(b, dtype=float) - np.asarray(c, dtype=float)
    K, squares = len(d), (d**2).sum()
    if K < 2 or np.isnan(squares):
        return ChiSquare(float("nan"), float("nan"))
    statistic = (K - 1) / K * d.sum() ** 2 / squares if squares else 0.0
    return ChiSquare(float(statistic), float(chi2.sf(statistic, 1)))


def _check_alike(**columns: ArrayLike) -> None:
    shapes = {name: np.shape(column) for name, column in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise UserError(f"columns must be one-dimensional and of one length, got {got}")
