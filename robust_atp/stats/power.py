"""What a study of a given size can see: to be printed beside every "no difference"."""

import math

from scipy.stats import norm

from robust_atp.errors import UserError


def minimum_detectable_effect(se: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that a two-sided test at ``alpha`` finds with probability ``power``.

    (z_{1−α/2} + z_{power}) · SE, in the units of ``se``; pass the clustered error of the estimate.
    """
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * se)


def paired_error(discordance: float, n: int, *, design_effect: float = 1.0) -> float:
    """Standard error of a paired difference of proportions, for planning: √(discordance · design effect / n).

    ``discordance`` is the share of questions on which the arms differ; the squared difference is neglected
    beside it. ``design_effect`` is 1 + (m − 1)ρ for m questions per image with intra-image correlation ρ.
    """
    if not 0 <= discordance <= 1 or n < 1:
        raise UserError(f"discordance must lie in [0, 1] and n be at least 1, got {discordance} and {n}")
    return math.sqrt(discordance * design_effect / n)


def noninferiority_questions(
    discordance: float, margin: float, *, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> int:
    """Questions needed to show a loss below ``margin`` when there is none.

    (z_{1−α} + z_{power})² · discordance · design effect / margin², rounded up: 6183 for 10 % discordance and
    a margin of one point.
    """
    z = norm.ppf(1 - alpha) + norm.ppf(power)
    return math.ceil((z * paired_error(discordance, 1, design_effect=design_effect) / margin) ** 2)
