"""Does the answer lean on the background?"""

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, listed, query

_CELL = (*POPULATION, *ARM, *CONDITION)


def background_gap(records: Records) -> pd.DataFrame:
    """Compare questions whose background suggests the right answer with those where it suggests a wrong one.

    Accuracy on the ``aligned`` and on the ``conflict`` questions, and the ``gap`` aligned - conflict, in
    [-1, 1]: 0 for a model that does not look at the background.
    """
    sums = query(
        records,
        f"""
        WITH labelled AS (
            SELECT *, json_extract_string("group", '$.alignment') AS quantity FROM records
        )
        SELECT {listed(_CELL)}, quantity, image_id, sum(score) AS num, count(*) AS den
        FROM labelled WHERE quantity IN ('aligned', 'conflict') GROUP BY ALL
        """,
    )
    if sums.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    return per_dataset(sums, (*_CELL, "quantity"), _with_gap)[list(COLUMNS)]


def _with_gap(sums: ImageSums) -> pd.DataFrame:
    """Append the gap of every cell that has both kinds of question, from the same bootstrap draws."""
    table, means = sums.table(), sums.means()
    both = sums.cells.reset_index().pivot(index=list(_CELL), columns="quantity", values="index")
    both = both.reindex(columns=["aligned", "conflict"]).dropna().astype(int)
    difference = means.map(lambda mean: mean[..., both["aligned"]] - mean[..., both["conflict"]])
    lo, hi = difference.interval(LEVEL)
    aligned, conflict = table.loc[both["aligned"]], table.loc[both["conflict"]]
    gap = both.index.to_frame(index=False).assign(
        quantity="gap",
        value=difference.value,
        se=difference.standard_errors(),
        lo=lo,
        hi=hi,
        n=aligned["n"].to_numpy() + conflict["n"].to_numpy(),
        images=np.maximum(aligned["images"].to_numpy(), conflict["images"].to_numpy()),
    )
    return pd.concat([table, gap], ignore_index=True)


PROBE = Probe(
    name="background-gap",
    summary="accuracy where the background suggests the right answer minus where it suggests a wrong one",
    needs='questions labelled {"alignment": "aligned" | "conflict"} in the group column',
    run=background_gap,
)
