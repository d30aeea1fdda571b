"""Is the loss smaller than a margin? What a claim of "less than 1 % lost" must show."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.stats import norm, t

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate
from robust_atp.stats.cluster import clustered_difference
from robust_atp.stats.paired import tango, tango_z


@dataclass(frozen=True)
class NonInferiority:
    """Outcome of the one-sided test of H0: loss ≥ ``margin`` at level ``alpha``.

    ``loss`` carries the two-sided interval of level 1 − 2·alpha, so ``loss.hi`` is the one-sided upper bound:
    it lies below ``margin`` exactly where ``p`` < ``alpha``.
    """

    loss: Estimate
    margin: float
    alpha: float
    p: float

    @property
    def is_shown(self) -> bool:
        """Whether the loss is shown to stay below the margin; False where the test is undefined."""
        return self.p < self.alpha


def noninferiority(a: int, b: int, c: int, d: int, margin: float, *, alpha: float = 0.05) -> NonInferiority:
    """Test that the second arm loses less than ``margin`` (a proportion), for independent questions.

    The table is that of ``tango``: b questions only the full model, c only the pruned model answers right.
    Loss is (b − c)/n and p = Φ(T(margin)), Tango's score statistic, which keeps its level where Wald's does
    not. Choose the margin before looking. Liu et al., Tests for equivalence or non-inferiority for paired
    binary data, 2002.
    """
    _check_margin(margin)
    loss = tango(a, b, c, d, level=1 - 2 * alpha)
    p = float(norm.cdf(tango_z(b, c, loss.n, margin))) if loss.n else math.nan
    return NonInferiority(loss, margin, alpha, p)


def clustered_noninferiority(
    full: ArrayLike, pruned: ArrayLike, clusters: ArrayLike, margin: float, *, alpha: float = 0.05
) -> NonInferiority:
    """Test that ``pruned`` scores less than ``margin`` below ``full``, with questions clustered by image.

    p = P(t_{G−1} ≤ (D − margin)/SE), with D and SE of ``clustered_difference``; scores may be any reals. nan,
    with the reason in ``loss.note``, where the error is undefined or zero.
    """
    _check_margin(margin)
    loss = clustered_difference(full, pruned, clusters, level=1 - 2 * alpha)
    p = float(t.cdf((loss.value - margin) / loss.se, loss.clusters - 1)) if loss.se > 0 else math.nan
    return NonInferiority(loss, margin, alpha, p)


def _check_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise UserError(f"margin must lie in (0, 1), got {margin}; write one point as 0.01")
