"""How bad is it for the kind of question that fares worst?"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, Quantities, tabulate
from robust_atp.query import Records, listed

IMAGES = 30  # fewer say little about a minimum: it would be the noisiest group


def worst_group(records: Records) -> pd.DataFrame:
    """Accuracy of the worst and the best group of questions, and the ``spread`` between them.

    A group is a question type, split by whether the background suggests the answer where that is labelled.
    Groups of fewer than 30 images under a condition are left out, and so are conditions with one group only.
    The minimum over groups is lower than any group's true accuracy by chance alone; its interval covers the
    minimum of the measured groups, drawn jointly.
    """
    sums = f"""
    WITH labelled AS (
        SELECT {listed(CELL)}, image_id, score,
               question_type || coalesce(' ' || json_extract_string("group", '$.alignment'), '') AS quantity
        FROM records
    )
    SELECT {listed(KEYS)}, image_id, sum(score) AS num, count(*) AS den FROM labelled GROUP BY ALL
    """
    return tabulate(records, sums, _extremes, prepare=_comparable)


def _comparable(groups: ImageSums) -> ImageSums:
    """Leave out groups that are small, and then cells that have one group only."""
    large = np.flatnonzero((groups.den > 0).sum(axis=0) >= IMAGES)
    beside = groups.cells.iloc[large].groupby(list(CELL))["quantity"].transform("size")
    chosen = large[beside > 1]
    return ImageSums(
        groups.cells.iloc[chosen].reset_index(drop=True), groups.num[:, chosen], groups.den[:, chosen]
    )


def _extremes(groups: Quantities) -> Quantities:
    found = groups
    for quantity, measure in _MEASURES.items():
        found = found.derive(quantity, partial(measure, axis=-1), _is_group, partial(np.min, axis=0))
    return found.keep(list(_MEASURES))


def _is_group(quantity: str) -> bool:
    return quantity not in _MEASURES


_MEASURES: dict[str, Callable[..., np.ndarray]] = {"worst": np.min, "best": np.max, "spread": np.ptp}

PROBE = Probe(
    name="worst-group",
    summary="accuracy of the question type that fares worst, and how far it is below the best",
    needs=f"at least two question types with {IMAGES} images each",
    run=worst_group,
    question="Who pays for the average?",
    reading="Accuracy on clean images of the worst and of the best kind of question.",
    marks=Marks({"worst": "worst group", "best": "best group"}),
    on_phantom=OnPhantom("worst", measured=(0.975, 0.0, -12.6)),
)
