"""The robustness metrics of the literature, arm by arm, with intervals of the whole ratio."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from robust_atp.declaration import Declaration
from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, POPULATION, Records
from robust_atp.report.tables.ladders import CELL, Ladders, ladder_sums
from robust_atp.robustness import (
    MODELS_FOR_A_LINE,
    ausc,
    breakdown_severity,
    effective_robustness,
    mce,
    mmi,
    mpc,
    relative_corruption_error,
    rpc,
    worst_cells,
)
from robust_atp.stats import Replicates, cell_means

COLUMNS = (*POPULATION, *ARM, "metric", "value", "se", "lo", "hi", "n", "images", "note")

_TAIL = 0.10  # share of cells in the conditional value at risk
_Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def robustness_table(records: Records, declaration: Declaration | None = None) -> pd.DataFrame:
    """mCE, relative mCE, mPC, rPC, MMI, AUSC, worst cells, breakdown and effective robustness of every arm.

    The reference of every ratio is the unpruned model of the same backbone, not the AlexNet of the ImageNet-C paper.
    ``lo`` and ``hi`` are percentiles over images drawn jointly for all cells, so that numerators and denominators
    share their images. What is undefined is nan, and ``note`` says why; the n of a metric is that of its
    smallest cell.

    *retention gap* is rPC of the unpruned model minus that of the arm. *worst cell* and *CVaR* follow the cells that
    are lowest in the study itself, in every replicate. *breakdown severity* is the median over corruptions of the
    severity at which less than 90 % of clean accuracy is left, *breakdown censored* the share of corruptions where
    more is left at the highest severity. *relative mCE* leaves out corruptions that cost the unpruned
    model nothing that could be told from 0. *effective robustness* needs 5 unpruned backbones on the same data.
    """
    declaration = declaration or Declaration()
    return per_dataset(ladder_sums(records), CELL, lambda sums: _table(sums, declaration))


@dataclass(frozen=True)
class _Study:
    """Joint replicates of all cells of one data set, with a last cell that is nan."""

    cells: Replicates
    counts: np.ndarray  # questions per cell
    level: float

    def accuracy(self, *ladders: np.ndarray) -> Replicates:
        """Accuracy of arms [..., arm, corruption, severity]."""
        index = np.stack(ladders)
        return self.cells.map(lambda mean: _padded(mean)[..., index])

    def row(self, ladder: np.ndarray, found: Replicates, note: str = "") -> tuple[Any, ...]:
        """Value, se, lo, hi, n, images and note of one metric."""
        # No interpolation: a severity between 4 and "never" is no severity.
        tails = ((1 - self.level) / 2, (1 + self.level) / 2)
        lo, hi = np.quantile(found.draws, tails, method="inverted_cdf")
        with np.errstate(invalid="ignore"):
            numbers = (found.value, found.draws.std(ddof=1), lo, hi)
        finite = [float(number) if np.isfinite(number) else np.nan for number in numbers]
        missing = bool((ladder < 0).any())
        n = 0 if missing else round(self.counts[ladder].min())
        return *finite, n, found.images, "a cell has no answers" if missing else note


def _table(sums: ImageSums, declaration: Declaration) -> pd.DataFrame:
    means = cell_means(sums.num, sums.den, draws=declaration.draws, rng=declaration.seed)
    study = _Study(means, sums.den.sum(axis=0), declaration.level)
    ladders = {key: Ladders.of(block) for key, block in sums.cells.groupby(list(POPULATION))}
    rows = [
        (*population, *arm, name, *row)
        for population, mine in ladders.items()
        if mine.corruptions
        for arm, ladder in mine.at.items()
        for name, row in (
            *_own(study, ladder, mine),
            *(_against(study, ladder, mine) if arm[0] != "none" and mine.whole is not None else ()),
            ("effective robustness", _effective(study, ladder, list(ladders.values()))),
        )
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _own(study: _Study, ladder: np.ndarray, ladders: Ladders) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Metrics of an arm on its own."""
    accuracy = study.accuracy(ladder).map(lambda both: both[..., 0, :, :])
    levels = ladders.severities
    means: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mPC": mpc,
        "rPC": rpc,
        "MMI": lambda a: mmi(a).mean(axis=(-2, -1)),
        "AUSC": lambda a: ausc(a, levels).mean(axis=-1),
    }
    for name, metric in means.items():
        yield (
            name,
            study.row(ladder, accuracy.map(metric), _if_nan(accuracy.map(metric), "no clean accuracy")),
        )
    for name, share in {"worst cell": 0.0, f"CVaR {_TAIL:.0%}": _TAIL}.items():
        cells = worst_cells(accuracy.value, share)
        lowest = accuracy.map(partial(_mean_of_cells, cells=cells))
        yield name, study.row(ladder, lowest, ", ".join(_names(ladders, cells)))
    broken = accuracy.map(lambda a: breakdown_severity(a, levels))
    median = broken.map(lambda severity: np.median(severity, axis=-1))
    never = f"above {levels[-1]} for at least half of the corruptions" if np.isinf(median.value) else ""
    yield "breakdown severity", study.row(ladder, median, never)
    censored = broken.map(lambda s: np.where(np.isnan(s).any(axis=-1), np.nan, np.isinf(s).mean(axis=-1)))
    yield "breakdown censored", study.row(ladder, censored)


def _against(study: _Study, ladder: np.ndarray, ladders: Ladders) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Metrics that set an arm against the unpruned model."""
    assert ladders.whole is not None
    both = study.accuracy(ladder, ladders.whole)
    error_free = "the unpruned model makes no error under some corruption"
    found = both.map(_paired(mce))
    yield "mCE", study.row(ladder, found, _if_nan(found, error_free))
    gap = both.map(_paired(lambda arm, whole: rpc(whole) - rpc(arm)))
    yield "retention gap", study.row(ladder, gap, _if_nan(gap, "no clean accuracy"))
    drops = both.map(lambda a: (a[..., 1, :, :1] - a[..., 1, :, 1:]).sum(axis=-1))  # of the unpruned model
    lo, hi = drops.interval(study.level)
    told = (lo > 0) | (hi < 0)
    relative = both.map(_paired(lambda arm, whole: _mean_of(relative_corruption_error(arm, whole), told)))
    left_out = [name for name, kept in zip(ladders.corruptions, told, strict=True) if not kept]
    note = f"without {', '.join(left_out)}: no drop of the unpruned model beyond chance" if left_out else ""
    yield "relative mCE", study.row(ladder, relative, note)


def _effective(study: _Study, ladder: np.ndarray, studies: list[Ladders]) -> tuple[Any, ...]:
    models = [mine.whole for mine in studies if mine.whole is not None and mine.whole.shape == ladder.shape]
    models = [index for index in models if (index >= 0).all()]

    def metric(accuracy: np.ndarray) -> np.ndarray:
        clean, shifted = accuracy[..., 0, 0], mpc(accuracy)  # [..., 1 + M]
        return effective_robustness(clean[..., 0], shifted[..., 0], clean[..., 1:], shifted[..., 1:])

    few = f"needs {MODELS_FOR_A_LINE} unpruned backbones on the same data, has {len(models)}"
    found = study.accuracy(ladder, *models).map(metric)
    return study.row(ladder, found, few if len(models) < MODELS_FOR_A_LINE else "")


def _padded(mean: np.ndarray) -> np.ndarray:
    return np.concatenate([mean, np.full((*mean.shape[:-1], 1), np.nan)], axis=-1)


def _paired(metric: _Metric) -> Callable[[np.ndarray], np.ndarray]:
    return lambda both: metric(both[..., 0, :, :], both[..., 1, :, :])


def _mean_of_cells(accuracy: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Mean of ``cells``, flat indices into the corrupted ones."""
    return accuracy[..., 1:].reshape(*accuracy.shape[:-2], -1)[..., cells].mean(axis=-1)


def _mean_of(errors: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return errors[..., kept].mean(axis=-1) if kept.any() else np.full(errors.shape[:-1], np.nan)


def _names(ladders: Ladders, cells: np.ndarray) -> list[str]:
    pairs = [(name, severity) for name in ladders.corruptions for severity in ladders.severities[1:]]
    return [f"{name} {severity}" for name, severity in (pairs[cell] for cell in cells)]


def _if_nan(found: Replicates, reason: str) -> str:
    return reason if np.isnan(found.value) else ""
