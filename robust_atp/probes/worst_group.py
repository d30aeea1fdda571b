"""How bad is it for the kind of question that fares worst?"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Marks, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.stats import Replicates

_CELL = (*POPULATION, *ARM, *CONDITION)
IMAGES = 30  # fewer say little about a minimum: it would be the noisiest group


def worst_group(records: Records) -> pd.DataFrame:
    """Accuracy of the worst and the best group of questions, and the ``spread`` between them.

    A group is a question type, split by whether the background suggests the answer where that is labelled.
    Groups of fewer than 30 images under a condition are left out, and so are conditions with one group only.
    The minimum over groups is lower than any group's true accuracy by chance alone; its interval covers the
    minimum of the measured groups, drawn jointly.
    """
    sums = image_rows(
        records,
        f"""
        WITH labelled AS (
            SELECT *, question_type || coalesce(' ' || json_extract_string("group", '$.alignment'), '') AS quantity
            FROM records
        )
        SELECT * FROM (
            SELECT {listed(_CELL)}, quantity, image_id, sum(score) AS num, count(*) AS den
            FROM labelled GROUP BY ALL
        )
        QUALIFY count(*) OVER (PARTITION BY {listed(_CELL)}, quantity) >= {IMAGES}
        """,
    )
    if sums.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    table = per_dataset(sums, (*_CELL, "quantity"), _extremes, apart=CONDITION)
    return table.reindex(columns=list(COLUMNS))


def _extremes(sums: ImageSums) -> pd.DataFrame:
    table, means, rows = sums.table(), sums.means(), []
    for cell, groups in table.groupby(list(_CELL)):
        if len(groups) < 2:
            continue
        smallest = {"n": int(groups["n"].min()), "images": int(groups["images"].min())}
        for quantity, measure in _MEASURES.items():
            estimate = means.map(partial(_of_groups, measure=measure, groups=groups.index.to_numpy()))
            rows.append(_row(cell, quantity, estimate) | smallest)
    return pd.DataFrame(rows, columns=list(COLUMNS))


_MEASURES: dict[str, Callable[..., np.ndarray]] = {"worst": np.min, "best": np.max, "spread": np.ptp}


def _of_groups(mean: np.ndarray, measure: Callable[..., np.ndarray], groups: np.ndarray) -> np.ndarray:
    return measure(mean[..., groups], axis=-1)


def _row(cell: tuple, quantity: str, estimate: Replicates) -> dict:
    value, (lo, hi) = float(estimate.value), estimate.interval(LEVEL)
    # An extreme of noisy groups is more extreme in a replicate than in the sample.
    bounds = {"lo": min(float(lo), value), "hi": max(float(hi), value)}
    return dict(zip(_CELL, cell, strict=True)) | {
        "quantity": quantity,
        "value": value,
        "se": float(estimate.standard_errors()),
        **bounds,
    }


PROBE = Probe(
    name="worst-group",
    summary="accuracy of the question type that fares worst, and how far it is below the best",
    needs=f"at least two question types with {IMAGES} images each",
    run=worst_group,
    question="Who pays for the average?",
    reading="Accuracy on clean images of the worst and of the best kind of question.",
    marks=Marks({"worst": "worst group", "best": "best group"}),
)
