"""Do answers change where the kept tokens change, or merely where the image is damaged?"""

import numpy as np
import pandas as pd

from robust_atp.image_sums import DRAWS, LEVEL, SEED
from robust_atp.query import ARM, POPULATION, Records, query
from robust_atp.report.tables.pruned_arms import PrunedArm, pruned_arms
from robust_atp.stats.stratified_auc import stratified_auc

_AUCS = ("auc", "placebo", "difference")
COLUMNS = (
    *(*POPULATION, *ARM),
    *(f"{name}{end}" for name in _AUCS for end in ("", "_lo", "_hi")),
    *("p", "flips", "placebo_flips", "cells", "n", "images", "note"),
)


def coupling(records: Records) -> pd.DataFrame:
    """Tell how well the change of an arm's token set predicts that its answer changes, one row per arm.

    For a question under a corruption, S = 1 − κ of the sets kept on the clean and on the corrupted image, and F
    says whether the arm's answer differs from its clean one. ``auc`` is the mean over cells (corruption, severity,
    noise seed) of P[S of a flip > S of a non-flip] + ½ P[equal]: severity drives both, so they are compared within
    a cell only. ½ is chance; ``p`` by permuting S over images within cells. ``placebo`` is the same with the flips
    of the *unpruned* model: where it is as high, S measures how damaged the image is. ``difference`` is what is
    left to the tokens, in [-1, 1], 0 without coupling. Intervals are image bootstraps, joint for both.

    ``flips`` and ``placebo_flips`` are shares of the ``n`` answers in ``cells`` cells. Answers without κ (nothing
    or everything kept) are left out, and so are arms without any other; a study of many images is measured on 300
    of each data set. nan, with a note, where all answers flip or none does.
    """
    rows = [row for arm in pruned_arms(records) if (row := _row(records, arm)) is not None]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, arm: PrunedArm) -> dict[str, object] | None:
    answers = _answers(records, arm)
    if answers.empty:
        return None
    item = answers.groupby(["image_id", "question_id"], sort=True).ngroup().to_numpy()
    cell = answers.groupby(["intervention", "severity", "noise_seed"], sort=True).ngroup().to_numpy()
    shape = (item.max() + 1, cell.max() + 1)
    changes = np.full(shape, np.nan)
    changes[item, cell] = answers["change"]
    flips = np.zeros((2, *shape), bool)
    flips[:, item, cell] = answers[["flip", "placebo"]].to_numpy(bool).T
    images = np.empty(shape[0], dtype=object)
    images[item] = answers["image_id"]
    found = stratified_auc(changes, flips, images.astype(str), draws=DRAWS, rng=SEED)
    aucs = found.auc.map(lambda auc: np.stack([*np.moveaxis(auc, -1, 0), auc[..., 0] - auc[..., 1]], axis=-1))
    lo, hi = aucs.interval(LEVEL)
    row: dict[str, object] = arm.columns()
    for name, value, low, high in zip(_AUCS, aucs.value, lo, hi, strict=True):
        row |= {name: value, f"{name}_lo": low, f"{name}_hi": high}
    return row | {
        "p": found.p[0],
        "flips": answers["flip"].mean(),
        "placebo_flips": answers["placebo"].mean(),
        "cells": shape[1],
        "n": len(answers),
        "images": found.auc.images,
        "note": _note(answers, aucs.value, lo),
    }


def _note(answers: pd.DataFrame, aucs: np.ndarray, lo: np.ndarray) -> str:
    constant = answers.groupby(["intervention", "severity", "noise_seed"])["change"].nunique().max() == 1
    if constant:
        return "within each cell all token sets change alike: there is nothing to tell flips by"
    if np.isnan(aucs[0]):
        return "no cell has both answers that flip and answers that do not"
    if np.isnan(aucs[1]):
        return "the unpruned model's answers all flip or none does"
    return (
        "some replicates are undefined: too few images have answers that flip" if np.isnan(lo).any() else ""
    )


def _answers(records: Records, arm: PrunedArm) -> pd.DataFrame:
    """One row per corrupted answer of the arm: image, question, cell, token change and the flips of both models."""
    return query(
        records,
        f"""
        WITH chosen AS (
            SELECT *, pruner = 'none' AS whole, kept[-1]::BIT AS set FROM records
            WHERE {arm.own_and_unpruned}
              AND image_id IN {arm.images()} AND (severity > 0 OR intervention = 'clean')
        ),
        compared AS (
            SELECT bad.whole, bad.intervention, bad.severity, bad.noise_seed, image_id, question_id,
                   bad.prediction <> clean.prediction AS flip, bad.tokens_total AS n,
                   bit_count(clean.set) AS a, bit_count(bad.set) AS b, bit_count(clean.set & bad.set) AS r
            FROM chosen bad JOIN chosen clean USING (whole, grid, image_id, question_id)
            WHERE bad.severity > 0 AND clean.severity = 0
        )
        SELECT own.intervention, own.severity, own.noise_seed, image_id, question_id,
               1 - (own.r - own.a * own.b / own.n) / ((own.a + own.b) / 2 - own.a * own.b / own.n) AS change,
               own.flip, unpruned.flip AS placebo
        FROM compared own JOIN compared unpruned
             USING (intervention, severity, noise_seed, image_id, question_id)
        WHERE NOT own.whole AND unpruned.whole AND own.a + own.b > 0 AND least(own.a, own.b) < own.n
        ORDER BY ALL
        """,
    )
