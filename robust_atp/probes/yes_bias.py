"""Does the model lose its sight, or move its threshold between yes and no?"""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Marks, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.stats import clustered_auc

_CELL = (*POPULATION, *ARM, *CONDITION)
_YES_NO = "lower(answer) IN ('yes', 'no')"


def yes_bias(records: Records) -> pd.DataFrame:
    """Answers to questions whose right answer is yes or no.

    ``yes ratio`` is the share answered yes, ``yes excess`` the same minus the share where yes is right,
    ``accuracy`` the mean score, and ``auc`` the probability that the margin log p(yes) - log p(no) of a "yes"
    question exceeds that of a "no" question: pruning that only moves the threshold moves the first two
    and leaves the last. ``auc`` carries a clustered interval (Obuchowski 1997), the others one by bootstrap.
    """
    sums = image_rows(
        records,
        f"""
        WITH asked AS (
            SELECT *, lower(prediction) LIKE 'yes%' AS said, lower(answer) = 'yes' AS truth FROM records
            WHERE {_YES_NO}
        ),
        values AS (
            SELECT {listed(_CELL)}, image_id, said::DOUBLE AS "yes ratio", said::INT - truth::INT + 0.0 AS "yes excess",
                   score AS accuracy
            FROM asked
        ),
        long AS (
            UNPIVOT values ON "yes ratio", "yes excess", accuracy INTO NAME quantity VALUE share
        )
        SELECT {listed(_CELL)}, quantity, image_id, sum(share) AS num, count(*) AS den FROM long GROUP BY ALL
        """,
    )
    shares = per_dataset(sums, (*_CELL, "quantity"), ImageSums.table)[list(COLUMNS)]
    both = [table for table in (shares, _auc(records)) if not table.empty]
    if not both:
        return shares
    return pd.concat(both).sort_values([*_CELL, "quantity"], ignore_index=True)


def _auc(records: Records) -> pd.DataFrame:
    margins = image_rows(
        records,
        f"""
        SELECT {listed(_CELL)}, image_id, yes_no_margin, lower(answer) = 'yes' AS truth FROM records
        WHERE {_YES_NO} AND NOT isnan(yes_no_margin) ORDER BY ALL
        """,
    )
    rows = []
    for cell, answers in margins.groupby(list(_CELL)):
        auc = clustered_auc(answers["yes_no_margin"], answers["truth"], answers["image_id"])
        if auc.is_defined:
            counts = (auc.n, auc.clusters)
            rows.append((*cell, "auc", auc.value, auc.se, auc.lo, auc.hi, *counts))
    return pd.DataFrame(rows, columns=list(COLUMNS))


PROBE = Probe(
    name="yes-bias",
    summary="share answered yes, and whether yes and no are still told apart (AUC), on yes/no questions",
    needs="questions whose answer is yes or no",
    run=yes_bias,
    question="Lost sight, or a moved threshold?",
    reading="Yes/no questions on clean images: the share answered yes minus the share where yes is right, and the "
    "AUC of log p(yes) - log p(no), which a moved threshold leaves as it is (50 is chance).",
    marks=Marks({"yes excess": "yes too often", "auc": "AUC × 100", "accuracy": "accuracy"}),
)
