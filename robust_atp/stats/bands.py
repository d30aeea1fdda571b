"""Bands that hold for a whole curve at once."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, t

from robust_atp.errors import UserError


def simultaneous_quantile(draws: ArrayLike, images: int, *, level: float = 0.95) -> float:
    """How many standard errors wide a band must be to cover all points of a curve at once (sup-t).

    ``draws`` [B, S] are joint bootstrap replicates of the S points. q is the ``level`` quantile of
    max_s |A*_s − mean A*_s| / sd A*_s, carried from the normal to t with ``images`` − 1 degrees of freedom, so that
    value ± q · SE with the clustered error is the clustered t interval for S = 1 and nowhere narrower than
    it for S > 1. Points that are nan or without spread have no say; nan where none is left or ``images`` < 2.

    Montiel Olea and Plagborg-Møller, Simultaneous confidence bands, 2019.
    """
    draws = np.asarray(draws, dtype=float)
    if draws.ndim != 2 or not 0 < level < 1:
        raise UserError(f"draws must be [B, S] and level in (0, 1), got {draws.shape} and {level}")
    # Rounding leaves 1e-17 of spread where all replicates are equal.
    spread = draws.std(axis=0, ddof=1) if len(draws) > 1 else np.zeros(draws.shape[1])
    draws, spread = draws[:, spread > 1e-12], spread[spread > 1e-12]
    if not draws.size or images < 2:
        return float("nan")
    largest = np.abs((draws - draws.mean(axis=0)) / spread).max(axis=1)  # [B]
    # The draws' own error can leave q a hair below the quantile of a single point.
    q = max(float(np.quantile(largest, level)), float(norm.ppf((1 + level) / 2)))
    return float(t.isf(norm.sf(q), images - 1))
