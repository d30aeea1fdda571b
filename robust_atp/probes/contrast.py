"""The difference between two kinds of question, cell by cell."""

import pandas as pd

from robust_atp.probes.quantities import Quantities


def with_gap(quantities: Quantities, first: str, second: str) -> Quantities:
    """Append ``gap``, ``first`` minus ``second``, to the cells that have both; its n is that of both."""
    return quantities.derive("gap", lambda mean: mean[..., 0] - mean[..., 1], (first, second), both)


def both(sizes: pd.DataFrame) -> pd.Series:
    """Questions of two kinds add up; their images are those of the larger."""
    return sizes.agg({"n": "sum", "images": "max"})
