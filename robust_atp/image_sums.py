"""From rows per image and cell to tidy tables of estimates, clustered by image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import t

from robust_atp.stats import Replicates, cell_means, minimum_detectable_effect

LEVEL = 0.95
DRAWS = 2000
SEED = 0


@dataclass(frozen=True)
class ImageSums:
    """Sums over the questions of each of G images, for C cells of a study.

    ``cells`` has one row per column of ``num`` and ``den``; an image without questions in a cell has 0 there.
    """

    cells: pd.DataFrame
    num: np.ndarray  # [G, C]
    den: np.ndarray  # [G, C]

    @classmethod
    def of(cls, rows: pd.DataFrame, keys: Sequence[str], images: pd.Index | None = None) -> "ImageSums":
        """Arrange long rows (``keys``, image_id, num, den); rows of one image and cell add up.

        Images are sorted, so that the seeded draws do not depend on the order in which units finished.
        ``images`` are those that are drawn, if there are more than in ``rows``.
        """
        cell, cells = numbered(rows[list(keys)])
        place, named = _factorised(rows["image_id"])
        images = sorted_text(named) if images is None else images
        shape = (len(images), len(cells))
        entry = images.get_indexer(named.astype(str))[place] * len(cells) + cell
        # Threads add floats in any order; rounding takes the last bits out before they reach a table.
        num = np.bincount(entry, rows["num"].to_numpy(float).round(9), minlength=len(images) * len(cells))
        den = np.bincount(entry, rows["den"].to_numpy(float), minlength=len(images) * len(cells))
        return cls(cells, num.reshape(shape), den.reshape(shape))

    def means(self) -> Replicates:
        """Mean per cell [C] with bootstrap replicates that are joint over all cells."""
        return self._means

    @cached_property
    def _means(self) -> Replicates:
        return cell_means(self.num, self.den, draws=DRAWS, rng=SEED)

    def table(self) -> pd.DataFrame:
        """``cells`` with value, se, lo and hi (percentile bootstrap over images), n questions and images."""
        means = self.means()
        lo, hi = means.interval(LEVEL)
        columns = {"value": means.value, "se": means.standard_errors(), "lo": lo, "hi": hi}
        return self.cells.assign(**columns, **self._counts())

    def t_table(self, level: float = LEVEL) -> pd.DataFrame:
        """``cells`` with value, se, clustered t interval, two-sided p and minimum detectable effect.

        SE² = G/(G-1) Σ_g (num_g - den_g · value)² / (Σ den)², df = G - 1, with G the images of the cell. Where
        no image differs from another the interval has no width, and p is nan.
        """
        counts = self._counts()
        total, images = self.den.sum(axis=0), counts["images"]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.num.sum(axis=0) / total
            squares = ((self.num - self.den * value) ** 2).sum(axis=0)
            se = np.sqrt(images / (images - 1) * squares) / total
            p = np.where(se > 0, 2 * t.sf(np.abs(value / se), images - 1), np.nan)
        half = t.ppf((1 + level) / 2, images - 1) * se
        columns = {"value": value, "se": se, "lo": value - half, "hi": value + half, "p": p}
        return self.cells.assign(**columns, detectable=minimum_detectable_effect(1.0) * se, **counts)

    def _counts(self) -> dict[str, np.ndarray]:
        return {"n": self.den.sum(axis=0).round().astype(int), "images": (self.den > 0).sum(axis=0)}


def per_dataset(
    rows: pd.DataFrame,
    keys: Sequence[str],
    summarise: Callable[[ImageSums], pd.DataFrame],
    apart: Sequence[str] = (),
    images: Mapping[tuple[str, str], pd.Index] | None = None,
) -> pd.DataFrame:
    """Summarise each data set on its own, since images of different data sets are never drawn together.

    Cells that differ in the keys ``apart`` are summarised one after the other, to keep memory small: from the same
    draws of images, so that it makes no difference to a ``summarise`` that treats them apart anyway. ``images`` are
    those to draw from in each data set and split, in order, if ``rows`` need not have all of them.
    Empty ``rows`` give an empty table with the columns that a full one would have.
    """
    if rows.empty:
        # One image without cells: enough to learn the columns.
        return summarise(ImageSums(rows[list(keys)], np.zeros((1, 0)), np.zeros((1, 0))))
    tables = [
        summarise(ImageSums.of(part, keys, drawn))
        for block in blocks(rows, ("dataset", "split"))
        for drawn in [_images(block, images)]
        for part in blocks(block, apart)
    ]
    return pd.concat(tables).sort_values([key for key in keys if key in tables[0]], ignore_index=True)


def _images(block: pd.DataFrame, known: Mapping[tuple[str, str], pd.Index] | None) -> pd.Index:
    """Images to draw from in a block of one data set and split."""
    if known is None:
        return sorted_text(_factorised(block["image_id"])[1])
    return known[(block["dataset"].iloc[0], block["split"].iloc[0])]


def blocks(rows: pd.DataFrame, keys: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Rows with the same values of ``keys``, in ascending order of these."""
    order = _ordered(rows[list(keys)])
    if len(order) <= 1:
        yield rows  # and no copy of it
        return
    for part in order:
        yield rows.iloc[part]


def _ordered(rows: pd.DataFrame) -> list[np.ndarray]:
    """Places of rows that are equal, the smallest first; numbered narrowly, since there may be ten million."""
    number, blocks = numbered(rows)
    if len(blocks) <= 1:
        return [np.empty(0, int)] * len(blocks)
    number = number.astype(np.min_scalar_type(len(blocks)))  # sorted by radix, too
    ends = np.bincount(number).cumsum()
    return np.split(np.argsort(number, kind="stable").astype(np.int32), ends[:-1])


def numbered(rows: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """For each row the number of its combination of values [N], and the combinations [C] in ascending order."""
    if rows.columns.empty:
        return np.zeros(len(rows), int), pd.DataFrame(index=range(1))
    number, values = np.zeros(len(rows), np.int64), []
    for column in rows:
        codes, seen = _factorised(rows[column], sort=True)
        number *= len(seen)
        number += codes
        values.append(seen)
    number, found = pd.factorize(number, sort=True)
    shape = tuple(map(len, values))
    taken = zip(rows, values, np.unravel_index(found, shape), strict=True)
    return number, pd.DataFrame({name: value[code] for name, value, code in taken})


def _factorised(column: pd.Series, sort: bool = False) -> tuple[np.ndarray, pd.Index]:
    """For each row the number of its value, and the values: plain ones, also of a column of categories."""
    codes, values = pd.factorize(column, sort=sort, use_na_sentinel=False)
    if isinstance(values, pd.CategoricalIndex):
        values = values.astype(values.categories.dtype)
    return codes, values


def sorted_text(values: pd.Index | pd.Series) -> pd.Index:
    """Images in the order in which they are drawn."""
    return pd.Index(values.astype(str)).sort_values()
