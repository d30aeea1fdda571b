"""How well the margin between yes and no still tells the two kinds of question apart."""

import pandas as pd

from robust_atp.probes.probe import AGAINST_UNPRUNED, COLUMNS
from robust_atp.probes.quantities import CELL
from robust_atp.query import CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.stats import clustered_auc, clustered_auc_difference


def yes_no_auc(records: Records, questions: str) -> pd.DataFrame:
    """AUC of log p(yes) - log p(no) for "yes" against "no" questions, with clustered intervals (Obuchowski 1997).

    ``questions`` is SQL over ``records`` that gives rows of them. The difference to the unpruned model is paired by
    question. Cells without a margin, or with one kind of question only, are left out.
    """
    same = f"{listed((*POPULATION, *CONDITION))}, noise_seed, image_id, question_id"
    margins = image_rows(
        records,
        f"""
        WITH asked AS (FROM ({questions}) WHERE NOT isnan(yes_no_margin)),
        whole AS (SELECT {same}, any_value(yes_no_margin) AS unpruned FROM asked WHERE pruner = 'none' GROUP BY ALL)
        SELECT {listed(CELL)}, image_id, yes_no_margin, unpruned, lower(answer) = 'yes' AS truth
        FROM asked LEFT JOIN whole USING ({same}) ORDER BY ALL
        """,
    )
    rows = [_row(cell, answers) for cell, answers in margins.groupby(list(CELL), observed=True)]
    return pd.DataFrame(rows, columns=[*COLUMNS, *AGAINST_UNPRUNED]).dropna(subset=["value", "lo"])


def _row(cell: tuple, answers: pd.DataFrame) -> dict:
    auc = clustered_auc(answers["yes_no_margin"], answers["truth"], answers["image_id"])
    row = dict(zip(CELL, cell, strict=True)) | {"quantity": "auc", "n": auc.n, "images": auc.clusters}
    row |= {"value": auc.value, "se": auc.se, "lo": auc.lo, "hi": auc.hi}
    if row["pruner"] == "none" or answers["unpruned"].isna().any():
        return row
    margins = answers["yes_no_margin"], answers["unpruned"]
    difference = clustered_auc_difference(*margins, answers["truth"], answers["image_id"])
    limits = (difference.value, difference.lo, difference.hi)
    return row | dict(zip(AGAINST_UNPRUNED, limits, strict=True))
