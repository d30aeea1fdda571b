"""The difference between two kinds of question, cell by cell."""

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums
from robust_atp.probes.probe import COLUMNS
from robust_atp.query import ARM, CONDITION, POPULATION

_CELL = (*POPULATION, *ARM, *CONDITION)


def with_gap(sums: ImageSums, first: str, second: str) -> pd.DataFrame:
    """Tabulate the quantities of ``sums`` and append ``gap``, the mean of ``first`` minus that of ``second``.

    The gap of a cell that has both comes from the same bootstrap draws as they. Its n is that of both, its
    images those of the larger.
    """
    table, means = sums.table(), sums.means()
    both = sums.cells.reset_index().pivot(index=list(_CELL), columns="quantity", values="index")
    both = both.reindex(columns=[first, second]).dropna().astype(int)
    difference = means.map(lambda mean: mean[..., both[first]] - mean[..., both[second]])
    lo, hi = difference.interval(LEVEL)
    one, other = table.loc[both[first]], table.loc[both[second]]
    gap = both.index.to_frame(index=False).assign(
        quantity="gap",
        value=difference.value,
        se=difference.standard_errors(),
        lo=lo,
        hi=hi,
        n=one["n"].to_numpy() + other["n"].to_numpy(),
        images=np.maximum(one["images"].to_numpy(), other["images"].to_numpy()),
    )
    return pd.concat([table, gap], ignore_index=True)[list(COLUMNS)]
