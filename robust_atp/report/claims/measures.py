"""What a claim is about, measured arm by arm.

Each measure maps records to a table of ``COLUMNS``: one row per population and pruned arm. ``lo`` and ``hi`` are
one-sided 95 % bounds, so both together are a 90 % interval; they equal the value where there is nothing to
sample (counts of operations), and are nan where there is no telling (one wall time). ``detectable`` is the
difference that the study would find four times out of five.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ANSWERS, ARM, POPULATION, Records, image_rows, listed, query
from robust_atp.report.tables.cost import cost
from robust_atp.report.tables.excess import differences
from robust_atp.score_sums import long_rows, score_sums
from robust_atp.stats import Replicates, minimum_detectable_effect

COLUMNS = (*POPULATION, *ARM, "value", "lo", "hi", "detectable", "n", "images")
LEVEL = 0.90

_SUBJECT = (*POPULATION, *ARM)


def points_lost(records: Records) -> pd.DataFrame:
    """A_unpruned - A_arm on clean images, paired by question, clustered by image."""
    return _clustered(long_rows(score_sums(records).losses, _clean))


def mean_excess(records: Records) -> pd.DataFrame:
    """The excess drop averaged over all corruptions and severities."""
    return _clustered(differences(records))


def accuracy_retained(records: Records) -> pd.DataFrame:
    """A_arm / A_unpruned on clean images, both from the same draws of images."""
    return per_dataset(long_rows(score_sums(records).answers, _clean), _SUBJECT, _retained)


def shortcut_gap_added(records: Records) -> pd.DataFrame:
    """|gap of the arm| - |gap of the unpruned model|, the gap being aligned minus conflict, on clean images.

    Sizes, because a model without a gap that pruning makes worse where the background is right has gained one.
    """
    sums = image_rows(
        records,
        f"""
        WITH labelled AS (
            SELECT *, json_extract_string("group", '$.alignment') AS alignment FROM records
            WHERE intervention = 'clean'
        )
        SELECT {listed(_SUBJECT)}, alignment, image_id, sum(score) AS num, count(*) AS den
        FROM labelled WHERE alignment IN ('aligned', 'conflict') GROUP BY ALL
        """,
    )
    return per_dataset(sums, (*_SUBJECT, "alignment"), _gap_added)


def flops_saved(records: Records) -> pd.DataFrame:
    """Share of the decoder's prefill operations on visual tokens and text that the arm does without."""
    return _of_costs(records, lambda arm, whole: 1 - arm["prefill_flops"] / whole["prefill_flops"])


def encoder_flops_saved(records: Records) -> pd.DataFrame:
    """Share of the vision encoder's operations that the arm does without."""
    return _of_costs(records, lambda arm, whole: 1 - arm["encode_flops"] / whole["encode_flops"])


def speed_up(records: Records) -> pd.DataFrame:
    """Wall time of the unpruned model over that of the arm: image, pruning and answer, on the study's machine."""
    return _timed(_of_costs(records, lambda arm, whole: _seconds(whole) / _seconds(arm)))


def time_saved(records: Records) -> pd.DataFrame:
    """Share of the wall time that the arm does without, on the study's machine."""
    return _timed(_of_costs(records, lambda arm, whole: 1 - _seconds(arm) / _seconds(whole)))


def seconds_to_prune(records: Records) -> pd.DataFrame:
    """Wall time of choosing tokens per question, on the study's machine."""
    return _timed(_of_costs(records, lambda arm, _: arm["seconds_prune"]))


def gained_by_adapting(records: Records) -> pd.DataFrame:
    """Accuracy on clean images of ``e-adaprune`` minus that of its ranker at the nearest mean budget.

    The ranker is ``cls-attention``, as it is by default; it has to be in the study, with a mean number of
    tokens within 5 % of the adaptive arm's. No row where it is not.
    """
    costs = cost(records)
    costs["share"] = costs["tokens_mean"] / costs["tokens_total"]
    adaptive = costs[costs["pruner"].str.startswith("e-adaprune")]
    fixed = costs[costs["pruner"] == "cls-attention"]
    pairs = adaptive.merge(fixed, on=list(POPULATION), suffixes=("", "_fixed"))
    pairs = pairs[(pairs["share_fixed"] / pairs["share"] - 1).abs() <= 0.05]
    nearest = (pairs["share_fixed"] / pairs["share"] - 1).abs().groupby([pairs[k] for k in _SUBJECT]).idxmin()
    pairs = pairs.loc[nearest]
    if pairs.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    sums = query(
        records,
        f"SELECT {listed(_SUBJECT)}, image_id, question_id, score FROM ({ANSWERS}) "
        "WHERE intervention = 'clean' AND (pruner = 'cls-attention' OR pruner LIKE 'e-adaprune%')",
    )
    joined = pairs.merge(sums, on=list(_SUBJECT)).merge(
        sums.rename(columns={name: f"{name}_fixed" for name in (*ARM, "score")}),
        on=[*POPULATION, *(f"{name}_fixed" for name in ARM), "image_id", "question_id"],
    )
    return _clustered(joined.assign(num=joined["score"] - joined["score_fixed"], den=1.0))


MEASURES: Mapping[str, Callable[[Records], pd.DataFrame]] = {
    "points lost": points_lost,
    "accuracy retained": accuracy_retained,
    "excess drop": mean_excess,
    "shortcut gap added": shortcut_gap_added,
    "flops saved": flops_saved,
    "encoder flops saved": encoder_flops_saved,
    "speed-up": speed_up,
    "time saved": time_saved,
    "seconds to prune": seconds_to_prune,
    "points gained by adapting": gained_by_adapting,
}


def _clean(cells: pd.DataFrame) -> pd.Series:
    return cells["intervention"] == "clean"


def _clustered(sums: pd.DataFrame) -> pd.DataFrame:
    return per_dataset(sums, _SUBJECT, lambda found: found.t_table(LEVEL))[list(COLUMNS)]


def _retained(sums: ImageSums) -> pd.DataFrame:
    """Each arm's accuracy over that of the unpruned model of its population; nan where that is 0."""
    means, (arms, whole) = sums.means(), _against_unpruned(sums.cells)

    def ratio(mean: np.ndarray) -> np.ndarray:
        reference = mean[..., whole]
        return mean[..., arms] / np.where(reference > 0, reference, np.nan)

    return _bootstrapped(sums, arms, means.map(ratio))


def _gap_added(sums: ImageSums) -> pd.DataFrame:
    cells = sums.cells.reset_index().pivot(index=list(_SUBJECT), columns="alignment", values="index")
    cells = cells.reindex(columns=["aligned", "conflict"]).dropna().astype(int).reset_index()
    arms, whole = _against_unpruned(cells)
    aligned, conflict = cells["aligned"].to_numpy(), cells["conflict"].to_numpy()
    added = sums.means().map(
        lambda mean: (
            np.abs(mean[..., aligned[arms]] - mean[..., conflict[arms]])
            - np.abs(mean[..., aligned[whole]] - mean[..., conflict[whole]])
        )
    )
    return _bootstrapped(
        ImageSums(cells, sums.num[:, aligned], sums.den[:, aligned] + sums.den[:, conflict]), arms, added
    )


def _against_unpruned(cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pruned arms, and for each the row of the unpruned model of its population."""
    rows = cells.reset_index(drop=True).reset_index()
    whole = rows[rows["pruner"] == "none"][[*POPULATION, "index"]]
    pairs = rows[rows["pruner"] != "none"].merge(whole, on=list(POPULATION), suffixes=("", "_whole"))
    return pairs["index"].to_numpy(), pairs["index_whole"].to_numpy()


def _bootstrapped(sums: ImageSums, arms: np.ndarray, found: Replicates) -> pd.DataFrame:
    lo, hi = found.interval(LEVEL)
    return sums.cells.iloc[arms][list(_SUBJECT)].assign(
        value=found.value,
        lo=lo,
        hi=hi,
        detectable=minimum_detectable_effect(1.0) * found.standard_errors(),
        n=sums.den.sum(axis=0)[arms].round().astype(int),
        images=(sums.den > 0).sum(axis=0)[arms],
    )[list(COLUMNS)]


def _of_costs(records: Records, measure: Callable[[pd.DataFrame, pd.DataFrame], pd.Series]) -> pd.DataFrame:
    """Apply ``measure`` to the costs of every pruned arm and those of the unpruned model beside it."""
    costs = cost(records)
    arms = costs[costs["pruner"] != "none"].reset_index(drop=True)
    whole = arms[list(POPULATION)].merge(costs[costs["pruner"] == "none"], on=list(POPULATION))
    value = measure(arms, whole)
    return arms[[*_SUBJECT, "n"]].assign(value=value, lo=value, hi=value, detectable=0.0, images=0)[
        list(COLUMNS)
    ]


def _timed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(lo=np.nan, hi=np.nan, detectable=np.nan)


def _seconds(costs: pd.DataFrame) -> pd.Series:
    return costs["seconds_encode"] + costs["seconds_prune"] + costs["seconds_answer"]
