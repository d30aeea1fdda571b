"""From rows per image and cell to tidy tables of estimates, clustered by image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    def of(cls, rows: pd.DataFrame, keys: Sequence[str]) -> "ImageSums":
        """Arrange long rows (``keys``, image_id, num, den); rows of one image and cell add up.

        Images are sorted, so that the seeded draws do not depend on the order in which units finished.
        """
        cells = rows[list(keys)].drop_duplicates().sort_values(list(keys), ignore_index=True)
        position = pd.Series(range(len(cells)), index=pd.MultiIndex.from_frame(cells))
        column = position.loc[pd.MultiIndex.from_frame(rows[list(keys)])].to_numpy()
        images, row = np.unique(rows["image_id"].to_numpy(dtype=str), return_inverse=True)
        num, den = np.zeros((2, len(images), len(cells)))
        # Threads add floats in any order; rounding takes the last bits out before they reach a table.
        np.add.at(num, (row, column), rows["num"].to_numpy(float).round(9))
        np.add.at(den, (row, column), rows["den"].to_numpy(float))
        return cls(cells, num, den)

    def means(self) -> Replicates:
        """Mean per cell [C] with bootstrap replicates that are joint over all cells."""
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
    rows: pd.DataFrame, keys: Sequence[str], summarise: Callable[[ImageSums], pd.DataFrame]
) -> pd.DataFrame:
    """Summarise each data set on its own, since images of different data sets are never drawn together.

    Empty ``rows`` give an empty table with the columns that a full one would have.
    """
    blocks = [block for _, block in rows.groupby(["dataset", "split"], sort=True)]
    if not blocks:
        # One image without cells: enough to learn the columns.
        return summarise(ImageSums(rows[list(keys)], np.zeros((1, 0)), np.zeros((1, 0))))
    tables = pd.concat([summarise(ImageSums.of(block, keys)) for block in blocks])
    return tables.sort_values([key for key in keys if key in tables], ignore_index=True)
