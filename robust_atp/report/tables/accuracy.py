"""Accuracy and loss against the unpruned model, cell by cell."""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.score_sums import long_rows, score_sums, seen

CELL = (*POPULATION, *ARM, *CONDITION)


def accuracy(records: Records, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean official score per backbone × data set × arm × intervention × severity, in [0, 1].

    ``by`` adds columns of the records to the key, e.g. ``("question_type",)``.
    """
    if not by:
        return per_dataset(long_rows(score_sums(records).answers), CELL, ImageSums.table)
    keys = (*CELL, *by)
    sums = image_rows(
        records,
        f"SELECT {listed(keys)}, image_id, sum(score) AS num, count(*) AS den FROM records GROUP BY ALL",
    )
    return per_dataset(sums, keys, ImageSums.table, apart=by)


def loss(records: Records) -> pd.DataFrame:
    """L = A_unpruned - A_arm on the same questions of the same images; positive where pruning costs."""
    return per_dataset(losses(records), CELL, ImageSums.table)


def losses(records: Records) -> pd.DataFrame:
    """Sums per image of the question-level losses, each in [-1, 1]."""
    return long_rows(score_sums(records).losses)


def overview(records: Records) -> pd.DataFrame:
    """Accuracy per arm, ``condition`` clean and corrupted (mean over all corruptions), with what the arm costs."""
    found = score_sums(records)
    sums = long_rows(found.answers, seen)
    condition = pd.Categorical.from_codes((sums["severity"] > 0).astype("int8"), ["clean", "corrupted"])
    keys = (*POPULATION, *ARM, "condition")
    table = per_dataset(sums.assign(condition=condition), keys, ImageSums.table)
    return table.merge(found.costs, on=[*POPULATION, *ARM])
