"""Accuracy and loss against the unpruned model, cell by cell."""

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.score_sums import images_drawn, long_rows, score_sums, seen

CELL = (*POPULATION, *ARM, *CONDITION)

# Kinds of question are asked about in this many turns, since a row per image, cell and kind is nearly one per answer.
_PARTS = 4


def accuracy(records: Records, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean official score per backbone × data set × arm × intervention × severity, in [0, 1].

    ``by`` adds columns of the records to the key, e.g. ``("question_type",)``.
    """
    if not by:
        return per_dataset(long_rows(score_sums(records).answers), CELL, ImageSums.table)
    keys, images = (*CELL, *by), images_drawn(score_sums(records).answers)
    tables = [
        per_dataset(
            image_rows(
                records,
                f"""
                SELECT {listed(keys)}, image_id, sum(score) AS num, count(*) AS den FROM records
                WHERE hash({listed(by)}) % {_PARTS} = {part} GROUP BY ALL
                """,
            ),
            keys,
            ImageSums.table,
            apart=by,
            images=images,
        )
        for part in range(_PARTS)
    ]
    return pd.concat([table for table in tables if len(table)] or tables[:1]).sort_values(
        list(keys), ignore_index=True
    )


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
    condition = pd.Categorical(np.where(sums["severity"] > 0, "corrupted", "clean"))
    keys = (*POPULATION, *ARM, "condition")
    table = per_dataset(sums.assign(condition=condition), keys, ImageSums.table)
    return table.merge(found.costs, on=[*POPULATION, *ARM])
