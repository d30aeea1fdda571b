"""Joint bootstrap of all cells of a study: whole images are drawn, the same ones for every cell.

    cells = cell_means(num, den)                                   # accuracy per cell, with joint replicates
    cells.estimates()                                              # percentile intervals
    cells.map(lambda a: excess_drop(a[..., 1, :, :], a[..., 0, :, :])).estimates()

Everything computed from cells goes through ``map``, so that numerators and denominators share their images.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from robust_atp.errors import UserError
from robust_atp.estimate import Estimate

_METHOD = "image bootstrap, percentile"
_ENTRIES_AT_ONCE = 1 << 22
_ENTRIES_REMEMBERED = 1 << 26


@dataclass(frozen=True)
class Replicates:
    """Values of any shape with their bootstrap replicates, which are joint over all values.

    ``n`` counts the questions behind each value; ``images`` are what was resampled.
    """

    value: np.ndarray  # [...]
    draws: np.ndarray  # [B, ...]
    n: np.ndarray  # [...]
    images: int

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Replicates":
        """Apply a metric that lets leading axes through to the values and to each replicate.

        Linear contrasts (``lambda cells: cells @ weights``), differences in differences and ratios alike.
        ``n`` becomes the smallest count among the values that went in, 0 if there was none.
        """
        value = np.asarray(function(self.value))
        smallest = self.n.min() if self.n.size else 0
        return Replicates(
            value, np.asarray(function(self.draws)), np.full(value.shape, smallest), self.images
        )

    def standard_errors(self) -> np.ndarray:
        """Standard deviation of the replicates [...]; nan where any replicate is undefined."""
        return self.draws.std(axis=0, ddof=1)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Percentile limits [...], pointwise; nan where any replicate is undefined."""
        lo, hi = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return lo, hi

    def estimates(self, level: float = 0.95) -> list[Estimate]:
        """One Estimate per value, in C order of its axes."""
        columns = (self.value, self.standard_errors(), *self.interval(level), self.n)
        return [
            Estimate(value, se, lo, hi, _METHOD, int(n), self.images, _note(value, se))
            for value, se, lo, hi, n in zip(*(np.ravel(column).tolist() for column in columns), strict=True)
        ]


def sum_by_image(scores: ArrayLike, images: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Reduce question scores [N, ...cells] to sums and counts per image, both [G, ...cells].

    Images are sorted, so that a draw does not depend on the order in which questions were answered. A score
    that is nan makes its cell nan; leave a question out of all cells instead if the cells must stay paired.
    """
    scores, images = np.asarray(scores, dtype=float), np.asarray(images)
    if images.shape != scores.shape[:1]:
        raise UserError(f"images must name one image per question, got {images.shape} for {scores.shape}")
    names, group = np.unique(images, return_inverse=True)
    num = np.zeros((len(names), *scores.shape[1:]))
    np.add.at(num, group, scores)
    counts = np.bincount(group, minlength=len(names)).astype(float)
    return num, np.broadcast_to(counts.reshape(-1, *(1,) * (scores.ndim - 1)), num.shape)


def cell_means(
    num: ArrayLike, den: ArrayLike, *, draws: int = 2000, rng: np.random.Generator | int = 0
) -> Replicates:
    """Means Σ num / Σ den per cell from sums per image [G, ...cells], with ``draws`` joint replicates.

    Each replicate weights all images by one multinomial draw of G out of G. A cell is nan where a sum is nan
    or its count is 0, and so is a replicate that happens to draw no image of the cell. One image alone has no
    replicates. Sort images before, so that the draw does not depend on their order.
    """
    num, den = np.asarray(num, dtype=float), np.asarray(den, dtype=float)
    if num.shape != den.shape or num.ndim < 1 or not len(num):
        raise UserError(f"num and den must be [images, ...cells] alike, got {num.shape} and {den.shape}")
    G, cells = len(num), num.shape[1:]
    flat_num, flat_den = num.reshape(G, -1), den.reshape(G, -1)
    replicates = np.full((draws, flat_num.shape[1]), np.nan)
    groups = _groups(flat_num, flat_den)
    start = 0
    for weights in _weights(G, draws, rng) if G > 1 else ():
        block = replicates[start : start + len(weights)]
        start += len(weights)
        for group in groups:
            block[:, group.columns] = group.means(weights)
    count = den.sum(axis=0)
    return Replicates(_ratio(num.sum(axis=0), count), replicates.reshape(draws, *cells), count, G)


@dataclass(frozen=True)
class _Group:
    """Cells that few of the images have answers in, or all cells that many have: they are multiplied together."""

    columns: np.ndarray | slice
    rows: np.ndarray | slice
    num: np.ndarray  # [rows, columns]
    den: np.ndarray  # [rows, different denominators]
    which: np.ndarray  # [columns], column of den

    def means(self, weights: np.ndarray) -> np.ndarray:
        """Weighted mean of each cell; weights [b, G]."""
        mine = weights[:, self.rows]
        return _ratio(mine @ self.num, (mine @ self.den)[:, self.which])


def _groups(num: np.ndarray, den: np.ndarray) -> list[_Group]:
    """Split cells [G, C] so that images without answers in a cell are not multiplied.

    A question type is asked about one image in ten, which makes its table ten times cheaper; and all arms and
    corruptions are asked the same questions, so that most denominators are the same.
    """
    used = (num != 0) | (den != 0)
    many = used.mean(axis=0) > 0.5
    by_rows: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(~many).tolist():
        by_rows.setdefault(np.packbits(used[:, column]).tobytes(), []).append(column)
    groups = [
        _group(num, den, np.array(columns), np.flatnonzero(used[:, columns[0]]))
        for columns in by_rows.values()
    ]
    if many.any():
        everywhere = slice(None) if many.all() else np.flatnonzero(many)
        groups.append(_group(num, den, everywhere, slice(None)))
    return groups


def _group(num: np.ndarray, den: np.ndarray, columns: np.ndarray | slice, rows: np.ndarray | slice) -> _Group:
    num, den = num[rows][:, columns], den[rows][:, columns]
    which: dict[bytes, int] = {}
    place = np.array([which.setdefault(column.tobytes(), len(which)) for column in den.T], dtype=int)
    _, first = np.unique(place, return_index=True)
    return _Group(columns, rows, num, den[:, first], place)


def _weights(images: int, draws: int, rng: np.random.Generator | int) -> Iterator[np.ndarray]:
    """Blocks [b, G] of the weights of images, ``draws`` rows in all: the same whatever the size of a block."""
    if isinstance(rng, int) and images * draws <= _ENTRIES_REMEMBERED:
        at_once = max(1, _ENTRIES_AT_ONCE // images)
        seeded = _seeded_weights(images, draws, rng)
        return (seeded[start : start + at_once].astype(float) for start in range(0, draws, at_once))
    return (block.astype(float) for block in _multinomial(images, draws, np.random.default_rng(rng)))


@lru_cache(maxsize=2)
def _seeded_weights(images: int, draws: int, seed: int) -> np.ndarray:
    """Remembered, since every table of a study draws the same images."""
    kind = np.min_scalar_type(images)
    return np.concatenate(
        [block.astype(kind) for block in _multinomial(images, draws, np.random.default_rng(seed))]
    )


def _multinomial(images: int, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    chances, at_once = np.full(images, 1 / images), max(1, _ENTRIES_AT_ONCE // images)
    for start in range(0, draws, at_once):
        yield rng.multinomial(images, chances, size=min(at_once, draws - start))


def _note(value: float, se: float) -> str:
    if np.isnan(value):
        return "a cell has no answers"
    if np.isnan(se):
        return "some replicates are undefined: too few images have answers in a cell"
    return "" if se > 1e-12 else "every replicate is the same: the interval has no width"


def _ratio(num: np.ndarray, den: np.ndarray) -> np.ndarray:
    return np.divide(num, den, out=np.full(np.shape(num), np.nan), where=den > 0)
