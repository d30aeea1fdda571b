"""Does a pruner follow the image, or does it keep the same positions whatever it sees?"""

from collections.abc import Sequence

import numpy as np

from robust_atp.errors import UserError
from robust_atp.stability.overlap import kappa_masks


def cross_image_baseline(
    clean: np.ndarray,
    corrupted: np.ndarray,
    images: Sequence[str] | np.ndarray | None = None,
    *,
    draws: int = 5,
    rng: np.random.Generator | int = 0,
) -> np.ndarray:
    """Agreement that position alone explains: κ of each clean row with corrupted rows of *other* images.

    ``clean`` and ``corrupted`` are boolean masks [M, n], row i of both belonging to ``images[i]`` (by default
    each row is an image of its own). Each row meets ``draws`` rows drawn with replacement; returns their mean
    κ [M], nan where a κ is undefined or there is no other image. Rows are drawn in the order of their image
    ids, and of position within an image, so the order of images does not matter.
    """
    rows = len(clean)
    names = np.arange(rows) if images is None else np.asarray(images)
    if len(names) != rows:
        raise UserError(f"images must name one image per row, got {len(names)} for {rows} rows")
    order = np.argsort(names, kind="stable")
    _, first, group, size = np.unique(
        names[order], return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) < 2:
        return np.full(rows, np.nan)
    # Skipping the row's own block leaves the others equally likely.
    partner = np.random.default_rng(rng).integers(0, rows - size[group], size=(draws, rows))
    partner += np.where(partner >= first[group], size[group], 0)
    sorted_clean, sorted_corrupted = np.asarray(clean)[order], np.asarray(corrupted)[order]
    agreement = np.mean([kappa_masks(sorted_clean, sorted_corrupted[j]) for j in partner], axis=0)  # [M]
    baseline = np.empty(rows)
    baseline[order] = agreement
    return baseline


def content_stability(same: np.ndarray | float, different: np.ndarray | float) -> np.ndarray:
    """Stability that the image explains: (S_same − S_diff) / (1 − S_diff), at most 1; 0 if it explains none.

    ``same`` is the mean κ of clean and corrupted masks of one image, ``different`` the mean
    ``cross_image_baseline``; arrays are taken elementwise (bootstrap replicates, say). nan where S_diff = 1:
    the pruner keeps the same tokens for every image.
    """
    headroom = 1 - np.asarray(different, dtype=float)
    room = headroom > 1e-12
    return np.divide(np.asarray(same) - different, headroom, out=np.full(room.shape, np.nan), where=room)[()]
