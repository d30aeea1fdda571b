"""Is the model as sure as it is right?"""

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, Quantities, quantity_sums, tabulate
from robust_atp.query import Records, listed

BINS = 10


def calibration(records: Records) -> pd.DataFrame:
    """Set the probability p of the first answer token against the score s of the answer.

    ``brier`` mean (p - s)²; ``confidence`` mean p - mean s, positive for a model that is too sure; ``ece``
    Σ_b |Σ_{i in b} (p_i - s_i)| / n over ten equal bins of p, the expected calibration error, which cannot
    be negative and so is too high by chance in small samples. The first token stands for the answer.
    """
    answers = f"""
        SELECT {listed(CELL)}, image_id, p, score, least(floor(p * {BINS})::INT, {BINS - 1}) AS bin
        FROM (SELECT *, exp(first_token_logprob) AS p FROM records WHERE NOT isnan(first_token_logprob))
    """
    quantities = {"brier": "(p - score) ** 2", "confidence": "p - score"}
    quantities |= {f"bin {bin}": f"CASE WHEN bin = {bin} THEN p - score END" for bin in range(BINS)}
    sums = quantity_sums(answers, quantities)
    return tabulate(records, sums, _with_error, prepare=_over_all_questions)


def _with_error(quantities: Quantities) -> Quantities:
    """Replace the bins of each cell by their summed absolute gaps."""
    with_bins = quantities.derive("ece", _summed_gaps, of=lambda name: name.startswith("bin "))
    return with_bins.keep(("brier", "confidence", "ece"))


def _summed_gaps(bins: np.ndarray) -> np.ndarray:
    return np.abs(bins).sum(axis=-1)


def _over_all_questions(sums: ImageSums) -> ImageSums:
    """Give every bin the denominator of its whole cell: an image without an answer in it counts too."""
    cells = sums.cells.reset_index()
    whole = cells[cells["quantity"] == "brier"].set_index(list(CELL))["index"]
    column = whole.loc[pd.MultiIndex.from_frame(cells[list(CELL)])].to_numpy()
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
    on_phantom=OnPhantom("confidence", measured=(-0.002, 0.058, 0.71)),
)
