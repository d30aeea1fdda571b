"""p values of many cells, adjusted for their number."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from robust_atp.errors import UserError

# 2^16 sign patterns are enumerated in a blink; above that they are drawn.
_MOST_IMAGES_ENUMERATED = 16
_ENTRIES_AT_ONCE = 1 << 22
_ENTRIES_REMEMBERED = 1 << 26


def holm(p: ArrayLike) -> np.ndarray:
    """Holm-adjusted p values in the order given: max over j ≤ i of (m − j + 1)·p_(j), at most 1.

    Controls the family-wise error under any dependence. A nan stays nan and is no member of the family.
    Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    values, tested = _p_values(p)
    order = np.argsort(values[tested], kind="stable")
    scaled = values[tested][order] * np.arange(len(order), 0, -1)
    return _scatter(tested, np.flatnonzero(tested)[order], np.minimum(np.maximum.accumulate(scaled), 1))


def benjamini_hochberg(p: ArrayLike) -> np.ndarray:
    """Benjamini-Hochberg-adjusted p values in the order given.

    Controls the false discovery rate under independence and positive dependence. A nan stays nan and is no
    member of the family. Benjamini and Hochberg, Controlling the false discovery rate, 1995.
    """
    values, tested = _p_values(p)
    adjusted = false_discovery_control(values[tested]) if tested.any() else []
    return _scatter(tested, np.flatnonzero(tested), adjusted)


def maxt(differences: ArrayLike, *, flips: int = 9999, rng: np.random.Generator | int = 0) -> np.ndarray:
    """Step-down maxT-adjusted p values [C] of "no difference" in each of C cells, two-sided.

    ``differences`` [G, C] holds each image's summed score difference in each cell; sort images before, so
    that the draw does not depend on their order. All differences of an image change sign together, which
    keeps the correlation of cells and is exact if differences are symmetric under the null. The statistic is
    |Σd| / √Σd²; each p value is that of the largest among the cells not yet rejected. Up to 16 images all
    sign patterns are enumerated, beyond that ``flips`` are drawn and p = (1 + hits)/(1 + flips).

    With one column it is the raw sign-flip p value. A column with a nan stays nan and is no member of the
    family; a column of zeros has p = 1. Westfall and Young, Resampling-based multiple testing, 1993.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 2 or not len(differences):
        raise UserError(
            f"differences must be [images, cells] with at least one image, got {differences.shape}"
        )
    tested = ~np.isnan(differences).any(axis=0)
    d = differences[:, tested]
    scale = np.sqrt((d**2).sum(axis=0))
    d = np.divide(d, scale, out=np.zeros_like(d), where=scale > 0)
    observed = np.abs(d.sum(axis=0))
    order = np.argsort(-observed, kind="stable")
    d, observed = d[:, order], observed[order]
    hits, patterns = np.zeros(len(order)), 0
    for signs in _sign_patterns(len(d), flips, rng):
        flipped = np.abs(signs @ d)  # [patterns, C], most significant cell first
        largest_left = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]
        # Sums of the same terms in another order must count as equal.
        hits += (largest_left >= observed * (1 - 1e-9)).sum(axis=0)
        patterns += len(signs)
    adjusted = np.maximum.accumulate(hits / patterns) if patterns else hits
    return _scatter(tested, np.flatnonzero(tested)[order], adjusted)


def _sign_patterns(images: int, flips: int, rng: np.random.Generator | int) -> Iterator[np.ndarray]:
    """Blocks of signs [patterns, images], the unflipped pattern being the first of all."""
    if images <= _MOST_IMAGES_ENUMERATED:
        # A pattern and its mirror image give the same |Σd|, so the last sign stays put.
        codes = np.arange(2 ** (images - 1))
        yield 1.0 - 2.0 * ((codes[:, None] >> np.arange(images)) & 1)
        return
    yield np.ones((1, images))
    if isinstance(rng, int) and images * flips <= _ENTRIES_REMEMBERED:
        at_once = max(1, _ENTRIES_AT_ONCE // images)
        seeded = _seeded_signs(images, flips, rng)
        yield from (seeded[start : start + at_once].astype(float) for start in range(0, flips, at_once))
    else:
        yield from _random_signs(images, flips, np.random.default_rng(rng))


@lru_cache(maxsize=1)
def _seeded_signs(images: int, flips: int, seed: int) -> np.ndarray:
    """Remembered, since all arms of a study are tested with the same flips."""
    blocks = _random_signs(images, flips, np.random.default_rng(seed))
    return np.concatenate([block.astype(np.int8) for block in blocks])


def _random_signs(images: int, flips: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    at_once = max(1, _ENTRIES_AT_ONCE // images)
    for start in range(0, flips, at_once):
        yield rng.choice((-1.0, 1.0), size=(min(at_once, flips - start), images))


def _p_values(p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(p, dtype=float)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise UserError(f"p values must be a list of numbers in [0, 1], got {p.tolist()}")
    return p, ~np.isnan(p)


def _scatter(like: np.ndarray, where: np.ndarray, values: ArrayLike) -> np.ndarray:
    """An array of nan, shaped ``like``, with ``values`` at the indices ``where``."""
    placed = np.full(like.shape, np.nan)
    placed[where] = values
    return placed
