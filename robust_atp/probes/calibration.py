"""Is the model as sure as it is right?"""

from functools import partial

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Marks, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed

_CELL = (*POPULATION, *ARM, *CONDITION)
BINS = 10


def calibration(records: Records) -> pd.DataFrame:
    """Set the probability p of the first answer token against the score s of the answer.

    ``brier`` mean (p - s)²; ``confidence`` mean p - mean s, positive for a model that is too sure; ``ece``
    Σ_b |Σ_{i in b} (p_i - s_i)| / n over ten equal bins of p, the expected calibration error, which cannot
    be negative and so is too high by chance in small samples. The first token stands for the answer.
    """
    sums = image_rows(
        records,
        f"""
        WITH answers AS (
            SELECT {listed(_CELL)}, image_id, score, exp(first_token_logprob) AS p FROM records
            WHERE NOT isnan(first_token_logprob)
        ),
        sized AS (
            SELECT *, count(*) OVER (PARTITION BY {listed(_CELL)}, image_id) AS questions,
                   'bin ' || least(floor(p * {BINS})::INT, {BINS - 1}) AS bin
            FROM answers
        ),
        long AS (
            SELECT {listed(_CELL)}, image_id, 'brier' AS quantity, sum((p - score) ** 2) AS num, count(*) AS den
            FROM sized GROUP BY ALL
            UNION ALL
            SELECT {listed(_CELL)}, image_id, 'confidence', sum(p - score), count(*) FROM sized GROUP BY ALL
            UNION ALL
            SELECT {listed(_CELL)}, image_id, bin, sum(p - score), any_value(questions)
            FROM sized GROUP BY ALL
        )
        FROM long
        """,
    )
    if sums.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    return per_dataset(sums, (*_CELL, "quantity"), _with_error, apart=CONDITION)[list(COLUMNS)]


def _with_error(sums: ImageSums) -> pd.DataFrame:
    """Replace the bins of each cell by their summed absolute gaps, from the same bootstrap draws."""
    sums = _over_all_questions(sums)
    table, means = sums.table(), sums.means()
    is_bin = table["quantity"].str.startswith("bin ")
    rows = []
    for _, bins in table[is_bin].groupby(list(_CELL)):
        places = bins.index.to_numpy()
        error = means.map(partial(_summed_gaps, bins=places))
        lo, hi = error.interval(LEVEL)
        first = bins.iloc[0].to_dict()
        rows.append(
            first
            | {
                "quantity": "ece",
                "value": float(error.value),
                "se": float(error.standard_errors()),
                # Noise adds up in absolute gaps, so the replicates lie above the value they are drawn around.
                "lo": min(float(lo), float(error.value)),
                "hi": max(float(hi), float(error.value)),
            }
        )
    return pd.concat([table[~is_bin], pd.DataFrame(rows)], ignore_index=True)


def _summed_gaps(mean: np.ndarray, bins: np.ndarray) -> np.ndarray:
    return np.abs(mean[..., bins]).sum(axis=-1)


def _over_all_questions(sums: ImageSums) -> ImageSums:
    """Give every bin the denominator of its whole cell: an image without an answer in it counts too."""
    cells = sums.cells.reset_index()
    whole = cells[cells["quantity"] == "brier"].set_index(list(_CELL))["index"]
    column = whole.loc[pd.MultiIndex.from_frame(cells[list(_CELL)])].to_numpy()
    return ImageSums(sums.cells, sums.num, sums.den[:, column])


PROBE = Probe(
    name="calibration",
    summary="probability of the first answer token against being right: calibration error, Brier score",
    needs="any study whose backbone reports first-token probabilities",
    run=calibration,
    question="Does the model know when it does not see?",
    reading="Mean probability of the first answer token minus mean score (above 0: too sure), and the expected "
    "calibration error over ten bins.",
    marks=Marks({"confidence": "confidence minus accuracy", "ece": "expected calibration error"}),
)
