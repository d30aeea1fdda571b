"""Accuracy and loss against the unpruned model, cell by cell."""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ANSWERS, ARM, CONDITION, POPULATION, Records, image_rows, listed, query

CELL = (*POPULATION, *ARM, *CONDITION)


def accuracy(records: Records, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean official score per backbone × data set × arm × intervention × severity, in [0, 1].

    ``by`` adds columns of the records to the key, e.g. ``("question_type",)``.
    """
    keys = (*CELL, *by)
    sums = image_rows(
        records,
        f"SELECT {listed(keys)}, image_id, sum(score) AS num, count(*) AS den FROM records GROUP BY ALL",
    )
    return per_dataset(sums, keys, ImageSums.table, apart=by)


def loss(records: Records) -> pd.DataFrame:
    """L = A_unpruned - A_arm on the same questions of the same images; positive where pruning costs."""
    sums = image_rows(
        records,
        f"""
        WITH answers AS ({ANSWERS})
        SELECT {listed(CELL, "arm")}, image_id, sum(whole.score - arm.score) AS num, count(*) AS den
        FROM answers arm JOIN answers whole USING ({listed((*POPULATION, *CONDITION))}, image_id, question_id)
        WHERE arm.pruner <> 'none' AND whole.pruner = 'none'
        GROUP BY ALL
        """,
    )
    return per_dataset(sums, CELL, ImageSums.table)


def overview(records: Records) -> pd.DataFrame:
    """Accuracy per arm, ``condition`` clean and corrupted (mean over all corruptions), with what the arm costs."""
    keys = (*POPULATION, *ARM, "condition")
    sums = image_rows(
        records,
        f"""
        SELECT {listed((*POPULATION, *ARM))}, if(severity > 0, 'corrupted', 'clean') AS condition, image_id,
               sum(score) AS num, count(*) AS den
        FROM records WHERE severity > 0 OR intervention = 'clean' GROUP BY ALL
        """,
    )
    budget = query(
        records,
        f"""
        SELECT {listed((*POPULATION, *ARM))}, avg(tokens_mean) AS tokens_mean, avg(prefill_flops) AS prefill_flops
        FROM records GROUP BY ALL
        """,
    )
    return per_dataset(sums, keys, ImageSums.table).merge(budget, on=[*POPULATION, *ARM])
