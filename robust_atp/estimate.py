"""A number with its interval: what every statistic of the toolkit returns."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its uncertainty.

    ``lo`` and ``hi`` bound the interval that ``method`` names. ``n`` counts the items (questions, rows)
    behind the value and ``clusters`` the independent units among them (images). What is undefined is nan,
    and ``note`` says why; it may also qualify a defined value.
    """

    value: float
    se: float
    lo: float
    hi: float
    method: str
    n: int
    clusters: int
    note: str = ""

    @classmethod
    def undefined(
        cls, note: str, *, method: str, n: int = 0, clusters: int = 0, value: float = math.nan
    ) -> "Estimate":
        """Build an estimate without interval, and without value unless one is given, for a stated reason."""
        return cls(value, math.nan, math.nan, math.nan, method, n, clusters, note)

    @property
    def is_defined(self) -> bool:
        """Whether both the value and its interval exist."""
        return not any(math.isnan(x) for x in (self.value, self.lo, self.hi))
