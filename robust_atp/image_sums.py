"""Every number of a report is a function of per-image sums: the shape in which uncertainty is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

REPLICATES = 2000
LEVEL = 0.95


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
        """Arrange long rows (``keys``, image_id, num, den), one per image and cell.

        Images are sorted, so that the seeded weights do not depend on the order in which units finished.
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

    def values(self) -> np.ndarray:
        """Ratio of sums per cell [C]; nan where a cell is empty."""
        return _ratio(self.num.sum(axis=0), self.den.sum(axis=0))

    def replicates(self, count: int = REPLICATES, seed: int = 0) -> np.ndarray:
        """Bootstrap ratios [count, C]: whole images are drawn, the same ones for every cell."""
        images = len(self.num)
        weights = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=count)
        return _ratio(weights @ self.num, weights @ self.den)

    def standard_errors(self) -> np.ndarray:
        """Image-clustered standard errors of the ratios [C]; nan below two images."""
        present = (self.den > 0).sum(axis=0)
        residual = self.num - self.den * self.values()
        with np.errstate(divide="ignore", invalid="ignore"):
            correction = present / (present - 1)
            return np.sqrt(correction * (residual**2).sum(axis=0)) / self.den.sum(axis=0)

    def table(self, seed: int = 0) -> pd.DataFrame:
        """``cells`` with value, se, lo and hi (percentile bootstrap over images), n questions and images."""
        lo, hi = percentile_interval(self.replicates(seed=seed))
        return self.cells.assign(
            value=self.values(),
            se=self.standard_errors(),
            lo=lo,
            hi=hi,
            n=self.den.sum(axis=0).round().astype(int),
            images=(self.den > 0).sum(axis=0),
        )

    def t_table(self) -> pd.DataFrame:
        """``cells`` with value, se, clustered t interval, two-sided p, and the minimum detectable effect.

        The effect that a study of this size would find in 80 of 100 repetitions is
        (t_.975 + t_.80) · SE, df = images - 1.
        """
        value, error, images = self.values(), self.standard_errors(), (self.den > 0).sum(axis=0)
        df = np.maximum(images - 1, 1)
        half = stats.t.ppf((1 + LEVEL) / 2, df) * error
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * stats.t.sf(np.abs(value / error), df)
        return self.cells.assign(
            value=value,
            se=error,
            lo=value - half,
            hi=value + half,
            p=p,
            detectable=half + stats.t.ppf(0.80, df) * error,
            n=self.den.sum(axis=0).round().astype(int),
            images=images,
        )


def per_dataset(
    rows: pd.DataFrame, keys: Sequence[str], summarise: Callable[[ImageSums], pd.DataFrame]
) -> pd.DataFrame:
    """Summarise each data set on its own, since images of different data sets are never drawn together.

    Empty ``rows`` give an empty table with the columns that a full one would have.
    """
    blocks = [block for _, block in rows.groupby(["dataset", "split"], sort=True)] or [rows]
    tables = pd.concat([summarise(ImageSums.of(block, keys)) for block in blocks])
    return tables.sort_values(list(tables.columns.intersection(keys)), ignore_index=True)


def percentile_interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central interval over axis 0; nan where any replicate is undefined."""
    tail = (1 - LEVEL) / 2
    lo, hi = np.quantile(replicates, [tail, 1 - tail], axis=0)
    return lo, hi


def _ratio(num: np.ndarray, den: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(den > 0, num / den, np.nan)
