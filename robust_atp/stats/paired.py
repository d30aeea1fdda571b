"""Two arms that answer the same independent questions right or wrong.

The paired table throughout: a both right, b only the first right, c only the second right, d both wrong;
n = a + b + c + d. Questions that share images are not independent: ``robust_atp.stats.cluster`` is for those.
"""

import math

from scipy.optimize import brentq
from scipy.stats import binom, binomtest, norm

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate


def mcnemar(b: int, c: int) -> float:
    """Two-sided mid-p value of McNemar's test that both arms are equally often right; 1 if b = c = 0.

    With k = min(b, c) and F, f of Binomial(b + c, ½): p = 2F(k) − f(k), or 1 − f(b)/2 where b = c. The exact
    conditional test is conservative; mid-p keeps the nominal level in practice.
    Fagerland, Lydersen and Laake, The McNemar test for binary matched-pairs data, 2013.
    """
    if check_counts(b=b, c=c) == 0:
        return 1.0
    if b == c:
        return float(1 - binom.pmf(b, b + c, 0.5) / 2)
    k = min(b, c)
    # 2F(k) − f(k) without the cancellation.
    return float(binom.cdf(k, b + c, 0.5) + binom.cdf(k - 1, b + c, 0.5))


def newcombe(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> Estimate:
    """Difference of two paired proportions, p1 − p2 = (b − c)/n, with Newcombe's hybrid score interval.

    Combines the Wilson limits of p1 = (a + b)/n and p2 = (a + c)/n (method 10); inside [−1, 1], and of width
    above 0 also where b = c = 0. ``se`` is the Wald error, for orientation: the interval does not use it.
    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
    data, 1998. nan for an empty table.
    """
    method = "Newcombe hybrid score"
    n = check_counts(a=a, b=b, c=c, d=d)
    if n == 0:
        return Estimate.undefined("no questions", method=method)
    p1, p2 = (a + b) / n, (a + c) / n
    l1, u1 = binomtest(a + b, n).proportion_ci(level, method="wilson")
    l2, u2 = binomtest(a + c, n).proportion_ci(level, method="wilson")
    phi = _corrected_phi(a, b, c, d)
    difference = (b - c) / n
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    # max: rounding may leave a zero width a hair below zero when phi is 1.
    lo, hi = difference - math.sqrt(max(below, 0)), difference + math.sqrt(max(above, 0))
    return Estimate(difference, _wald_error(b, c, n), lo, hi, method, n, n)


def tango(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> Estimate:
    """Difference of two paired proportions, p1 − p2 = (b − c)/n, with Tango's score interval.

    The differences that ``tango_z`` does not reject; it agrees with McNemar's test at 0 and with the
    non-inferiority test at a margin, and is defined for b = c = 0. ``se`` is the Wald error, for orientation.
    Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, 1998. nan for an empty table.
    """
    method = "Tango score"
    n = check_counts(a=a, b=b, c=c, d=d)
    if n == 0:
        return Estimate.undefined("no questions", method=method)
    difference, z = (b - c) / n, norm.ppf((1 + level) / 2)
    lo = _tango_limit(b, c, n, z, difference, -1.0)
    hi = _tango_limit(b, c, n, -z, difference, 1.0)
    return Estimate(difference, _wald_error(b, c, n), lo, hi, method, n, n)


def tango_z(b: int, c: int, n: int, delta: float) -> float:
    """Score statistic of p1 − p2 = ``delta``, standard normal under it and falling in ``delta``.

    T(δ) = (b − c − nδ) / √(n (2q + δ(1 − δ))), with q the maximum-likelihood estimate of p(only second right)
    given δ.
    """
    excess = b - c - n * delta
    if excess == 0:
        return 0.0
    half_b = (-b - c + (2 * n - b + c) * delta) / 2
    q = (-half_b + math.sqrt(max(half_b**2 + 2 * n * c * delta * (1 - delta), 0))) / (2 * n)
    variance = n * (2 * q + delta * (1 - delta))
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess)


def check_counts(**counts: int) -> int:
    """Sum of the counts; ``UserError`` unless all are whole and not negative."""
    for name, count in counts.items():
        if not (count >= 0 and count == int(count)):
            raise UserError(f"{name} must be a count, 0 or more, got {count}")
    return int(sum(counts.values()))


def _tango_limit(b: int, c: int, n: int, z: float, difference: float, end: float) -> float:
    inside = end * (1 - 1e-12)
    if abs(difference) >= abs(inside) and difference * end > 0:
        return end
    if (tango_z(b, c, n, inside) - z) * end > 0:
        return end
    return float(brentq(lambda delta: tango_z(b, c, n, delta) - z, difference, inside, xtol=1e-14))


def _corrected_phi(a: int, b: int, c: int, d: int) -> float:
    """Correlation of the arms, continuity-corrected if positive; 0 if an arm is all right or all wrong."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    covariance = a * d - b * c
    return (max(covariance - (a + b + c + d) / 2, 0) if covariance > 0 else covariance) / math.sqrt(margins)


def _wald_error(b: int, c: int, n: int) -> float:
    return math.sqrt(b + c - (b - c) ** 2 / n) / n
