"""The difference between two kinds of question, cell by cell."""

import numpy as np

from robust_atp.probes.quantities import Quantities


def with_gap(quantities: Quantities, first: str, second: str) -> Quantities:
    """Append ``gap``, ``first`` minus ``second``, to the cells that have both; its n is that of both."""
    return quantities.derive("gap", lambda mean: mean[..., 0] - mean[..., 1], (first, second), both)


def both(sizes: np.ndarray) -> np.ndarray:
    """Questions (column 0) of two kinds add up; their images (column 1) are those of the larger."""
    return np.array([sizes[:, 0].sum(), sizes[:, 1].max()])
