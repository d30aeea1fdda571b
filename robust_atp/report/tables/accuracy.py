"""Accuracy and loss against the unpruned model, cell by cell."""

import pandas as pd

from robust_atp.answers import Answers, answers, stacked
from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed, query

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
    return per_dataset(losses(records), CELL, ImageSums.table)


def losses(records: Records, where: str = "TRUE") -> pd.DataFrame:
    """Sums per image of the question-level losses, each in [-1, 1], of the records that meet ``where``."""
    return stacked([_losses(found) for found in answers(records, where)])


def _losses(found: Answers) -> pd.DataFrame:
    cells = found.cells.reset_index(names="arm")
    whole = cells.loc[cells["pruner"] == "none", [*CONDITION, "arm"]].rename(columns={"arm": "whole"})
    pairs = cells[cells["pruner"] != "none"].merge(whole, on=list(CONDITION))
    lost = found.score[:, pairs["whole"]] - found.score[:, pairs["arm"]]  # [Q, pairs]
    return found.sums(pairs[[*ARM, *CONDITION]], lost)


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
