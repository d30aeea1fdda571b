"""The headline: does pruning cost extra when the image is corrupted?"""

from functools import partial

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.score_sums import long_rows, score_sums, seen
from robust_atp.stats import holm, maxt, simultaneous_quantile


def excess_drop(records: Records) -> pd.DataFrame:
    """X = (A_arm,clean - A_arm,cs) - (A_unpruned,clean - A_unpruned,cs) per corruption × severity.

    0 means that pruning costs nothing extra under corruption; 0.05 means five more points lost. All four
    answers to a question must exist for it to count. Intervals are clustered t intervals over images, per
    cell; ``sim_lo`` and ``sim_hi`` are a sup-t band that covers all severities of a corruption at once;
    ``p_adjusted`` is step-down maxT over all cells of an arm, by sign flips of whole images.
    """
    return per_dataset(differences(records), (*POPULATION, *ARM, *CONDITION), _by_cell)


def mean_excess_drop(records: Records) -> pd.DataFrame:
    """Mean of X over all corruptions and severities, one row per arm: the pre-declared primary estimand.

    ``detectable`` is the smallest effect that the study would find four times out of five. ``p_holm`` is
    adjusted over the arms of a backbone and data set.
    """
    arms = per_dataset(differences(records), (*POPULATION, *ARM), ImageSums.t_table)
    p_holm = arms.groupby(list(POPULATION))["p"].transform(lambda p: holm(p.to_numpy()))
    return arms.assign(p_holm=p_holm).rename(columns={"n": "answers"})


def retention_gap(records: Records) -> pd.DataFrame:
    """The multiplicative twin of X: how much smaller a share of its clean accuracy an arm retains.

    Mean over cells of A_unpruned,cs / A_unpruned,clean - A_arm,cs / A_arm,clean, per arm. An arm that answers
    little on clean images has little left to lose, which makes X small or negative without any robustness; a
    verdict that this gap contradicts depends on the scale.
    """
    keys = (*POPULATION, *ARM, *CONDITION)
    return per_dataset(long_rows(score_sums(records).answers, seen), keys, _retention)


def differences(records: Records) -> pd.DataFrame:
    """Sums per image of the question-level difference in differences, each in [-2, 2]."""
    return long_rows(score_sums(records).differences)


def _retention(sums: ImageSums) -> pd.DataFrame:
    """Difference of the mean retained shares, with a joint bootstrap of all four accuracies."""
    means, rows = sums.means(), []
    for population, block in sums.cells.groupby(list(POPULATION)):
        retained = {
            arm: (clean.index, corrupted.index)
            for arm, group in block.groupby(list(ARM))
            if len(clean := group[group.intervention == "clean"])
            and len(corrupted := group[group.severity > 0])
        }
        whole = next((cells for arm, cells in retained.items() if arm[0] == "none"), None)
        for arm, cells in retained.items():
            if whole is not None and arm[0] != "none":
                gap = means.map(partial(_less_retained, whole=whole, arm=cells))
                lo, hi = gap.interval(LEVEL)
                rows.append((*population, *arm, float(gap.value), float(lo), float(hi)))
    table = pd.DataFrame(rows, columns=[*POPULATION, *ARM, "value", "lo", "hi"])
    return table.astype(dict.fromkeys(["keep", "value", "lo", "hi"], float))


def _less_retained(mean: np.ndarray, whole: tuple[pd.Index, ...], arm: tuple[pd.Index, ...]) -> np.ndarray:
    return _share(mean, *whole) - _share(mean, *arm)


def _share(mean: np.ndarray, clean: pd.Index, corrupted: pd.Index) -> np.ndarray:
    """Mean over corrupted cells of the share of clean accuracy that is left; nan where nothing was right."""
    whole = mean[..., clean]
    return (mean[..., corrupted] / np.where(whole > 0, whole, np.nan)).mean(axis=-1)


def _by_cell(sums: ImageSums) -> pd.DataFrame:
    table = sums.t_table().assign(sim_lo=np.nan, sim_hi=np.nan, p_adjusted=np.nan)
    draws = sums.means().draws  # [B, C]
    for _, cells in table.groupby([*POPULATION, *ARM]):
        table.loc[cells.index, "p_adjusted"] = maxt(sums.num[:, cells.index])
        for _, curve in cells.groupby("intervention"):
            q = simultaneous_quantile(draws[:, curve.index], int(curve["images"].min()))
            table.loc[curve.index, "sim_lo"] = curve["value"] - q * curve["se"]
            table.loc[curve.index, "sim_hi"] = curve["value"] + q * curve["se"]
    return table
