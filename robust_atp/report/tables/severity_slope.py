"""Does pruning cost more with every step of severity?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from robust_atp.declaration import Declaration
from robust_atp.estimate import Estimate
from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, POPULATION, Records
from robust_atp.report.tables.ladders import CELL, ladder_sums
from robust_atp.stats import linear_cells, logit_cells, minimum_detectable_effect, t_pvalue

_FITS = {"probability": linear_cells, "log-odds": logit_cells}
COLUMNS = (
    *POPULATION,
    *ARM,
    "scale",
    "term",
    "value",
    "se",
    "lo",
    "hi",
    "p",
    "detectable",
    "answers",
    "images",
    "note",
)


def severity_slope(records: Records, declaration: Declaration | None = None) -> pd.DataFrame:
    """The interaction severity × pruning of every arm against the unpruned model of its backbone.

    E[score] = β₀ + β_p P + β_s s + β_ps P·s + corruption, with P = 1 for the arm; s = 0 is the clean image,
    which stands at the foot of every corruption's ladder. ``scale`` is probability (least squares, the primary
    one) or log-odds (GEE with independence working correlation, the sensitivity analysis: near floor and ceiling the
    two can disagree in sign). ``term`` *slope* is -β_ps, the extra share lost per severity step; *severity k* is the
    same at level k alone, with severity coded as a factor, because levels are not interval-scaled. Positive: pruning
    costs extra, as in the excess drop.

    All errors are cluster-robust over images and come from sums per image and cell. ``p`` is two-sided.
    """
    declaration = declaration or Declaration()
    return per_dataset(ladder_sums(records), CELL, lambda sums: _slopes(sums, declaration.level))


def _slopes(sums: ImageSums, level: float) -> pd.DataFrame:
    rows = []
    for population, block in sums.cells.groupby(list(POPULATION)):
        ladders = {arm: _ladder(cells) for arm, cells in block.groupby(list(ARM))}
        whole = next((ladder for arm, ladder in ladders.items() if arm[0] == "none"), pd.DataFrame())
        for arm, ladder in ladders.items():
            if arm[0] != "none" and len(whole) and len(ladder):
                both = pd.concat([whole.assign(pruned=0.0), ladder.assign(pruned=1.0)])
                rows += [(*population, *arm, *row) for row in _interactions(sums, both, level)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ladder(cells: pd.DataFrame) -> pd.DataFrame:
    """The corrupted cells of an arm, and its clean cell once for every corruption."""
    corrupted = cells[cells["severity"] > 0]
    clean = cells[cells["intervention"] == "clean"]
    return pd.concat(
        [corrupted, *(clean.assign(intervention=name) for name in sorted(set(corrupted["intervention"])))]
    )


def _interactions(sums: ImageSums, cells: pd.DataFrame, level: float) -> Iterator[tuple[Any, ...]]:
    """Scale, term and figures of one arm, on both scales, with severity as a number and as a factor."""
    answers = round(sums.den[:, cells.index[(cells["pruned"] == 1) & (cells["severity"] > 0)]].sum())
    num, den = sums.num[:, cells.index], sums.den[:, cells.index]
    present = den.any(axis=1)  # an image of another backbone is no cluster of this one
    for scale, fit in _FITS.items():
        for severity in (_as_number(cells), _as_factor(cells)):
            found = fit(_design(cells, severity), num[present], den[present], level=level)
            for term, estimate in zip(severity, found, strict=False):  # the other columns come after these
                yield scale, term, *_figures(estimate, scale), answers, estimate.clusters, estimate.note


def _as_number(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    return {"slope": cells["severity"].to_numpy(float)}


def _as_factor(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    levels = sorted(set(cells["severity"]) - {0})
    return {f"severity {level}": (cells["severity"] == level).to_numpy(float) for level in levels}


def _design(cells: pd.DataFrame, severity: Mapping[str, np.ndarray]) -> np.ndarray:
    """Columns [C, P]: the interactions in the order of ``severity``, then everything else."""
    pruned, main = cells["pruned"].to_numpy(), np.column_stack(list(severity.values()))
    corruption = pd.get_dummies(cells["intervention"], drop_first=True, dtype=float)
    return np.column_stack([main * pruned[:, None], main, pruned, np.ones(len(cells)), corruption])


def _figures(estimate: Estimate, scale: str) -> tuple[float, ...]:
    """Value, error, interval, p and detectable effect of what is lost, the negative of what is gained."""
    if scale == "probability":
        p = t_pvalue(estimate)
    else:
        p = float(2 * norm.sf(abs(estimate.value) / estimate.se)) if estimate.se > 0 else float("nan")
    detectable = minimum_detectable_effect(estimate.se)
    return -estimate.value, estimate.se, -estimate.hi, -estimate.lo, p, detectable
