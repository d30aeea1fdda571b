"""Does the model lose its sight, or move its threshold between yes and no?"""

import pandas as pd

from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, quantity_sums, tabulate
from robust_atp.probes.yes_no_margin import yes_no_auc
from robust_atp.query import Records, listed

_YES_NO = "lower(answer) IN ('yes', 'no')"


def yes_bias(records: Records) -> pd.DataFrame:
    """Answers to questions whose right answer is yes or no.

    ``yes ratio`` is the share answered yes, ``yes excess`` the same minus the share where yes is right,
    ``accuracy`` the mean score, and ``auc`` the probability that the margin log p(yes) - log p(no) of a "yes"
    question exceeds that of a "no" question: pruning that only moves the threshold moves the first two
    and leaves the last. ``auc`` carries a clustered interval (Obuchowski 1997), the others one by bootstrap.
    """
    answers = f"""
        SELECT {listed(CELL)}, image_id, score, lower(prediction) LIKE 'yes%' AS said, lower(answer) = 'yes' AS truth
        FROM records WHERE {_YES_NO}
    """
    quantities = {"yes ratio": "said", "yes excess": "said::INT - truth::INT", "accuracy": "score"}
    sums = quantity_sums(answers, quantities)
    table = pd.concat([tabulate(records, sums), yes_no_auc(records, f"FROM records WHERE {_YES_NO}")])
    return table.sort_values(list(KEYS), ignore_index=True)


PROBE = Probe(
    name="yes-bias",
    summary="share answered yes, and whether yes and no are still told apart (AUC), on yes/no questions",
    needs="questions whose answer is yes or no",
    run=yes_bias,
    question="Lost sight, or a moved threshold?",
    reading="Yes/no questions on clean images: the share answered yes minus the share where yes is right, and the "
    "AUC of log p(yes) - log p(no), which a moved threshold leaves as it is (50 is chance).",
    marks=Marks({"yes excess": "yes too often", "auc": "AUC × 100", "accuracy": "accuracy"}),
    on_phantom=OnPhantom("auc", measured=(1.0, 0.76, -1.0)),
)
