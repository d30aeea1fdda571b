"""Is the object seen, or does its name suffice? POPE split by split, beside what the name alone is worth."""

import numpy as np
import pandas as pd

from robust_atp.probes.answer_prior import FOLDS
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, Quantities, quantity_sums, ratio, tabulate
from robust_atp.probes.yes_no_margin import yes_no_auc
from robust_atp.query import ARM, CONDITION, Records, listed
from robust_atp.scoring.pope_splits import ASKED_FOR

# A pair of image and object that several splits ask for is one question; the first split's answer to it counts.
_QUESTIONS = f"""
    WITH asked AS (
        SELECT *, regexp_extract(question, '(?i){ASKED_FOR.pattern}', 1) AS named,
               lower(coalesce(nullif(named, ''), question)) AS object
        FROM records WHERE question_type = 'existence' AND answer IN ('yes', 'no')
    ),
    pairs AS (
        SELECT * REPLACE ('unique' AS split) FROM asked
        WHERE dataset IN (SELECT dataset FROM asked GROUP BY dataset HAVING count(DISTINCT split) > 1)
        QUALIFY row_number() OVER (
            PARTITION BY backbone, dataset, {listed((*ARM, *CONDITION))}, noise_seed, image_id, object
            ORDER BY asked.split, question_id
        ) = 1
    )
    FROM asked UNION ALL FROM pairs
"""


def pope_splits(records: Records) -> pd.DataFrame:
    """POPE's scores of every split, and of ``unique``: the pairs of image and object of any split, each once.

    ``accuracy`` is the mean score, ``f1`` = 2 TP / (2 TP + FP + FN) and ``yes ratio`` come from the official reading
    of an answer, ``auc`` from the margin log p(yes) - log p(no). ``object prior`` is the accuracy of saying yes where
    most questions about the object are labelled yes on the other nine tenths of the split's images (folds by hash
    of the image; one half for a tie or an object that is asked for nowhere else), and ``above prior`` the accuracy
    minus it: near 0 no image is needed.

    The official splits share their positives, so that their mean counts those three times.
    Li et al., Evaluating Object Hallucination in Large Vision-Language Models, 2023.
    """
    answers = f"""
        WITH questions AS ({_QUESTIONS}),
        known AS (
            SELECT dataset, split, object, md5_number_lower(image_id) % {FOLDS} AS fold, image_id,
                   if(any_value(answer) = 'yes', 1, -1) AS vote
            FROM questions GROUP BY ALL
        ),
        prior AS (
            SELECT dataset, split, object, image_id, vote,
                   sum(vote) OVER (PARTITION BY dataset, split, object)
                   - sum(vote) OVER (PARTITION BY dataset, split, object, fold) AS others
            FROM known
        ),
        answered AS (
            SELECT {listed(CELL)}, image_id, score, (sign(others) * vote + 1) / 2 AS prior, answer = 'yes' AS present,
                   NOT list_has_any(
                       string_split(replace(split_part(prediction, '.', 1), ',', ''), ' '), ['No', 'no', 'not']
                   ) AS said
            FROM questions JOIN prior USING (dataset, split, object, image_id)
        )
        FROM answered
    """
    quantities = {
        "accuracy": "score",
        "object prior": "prior",
        "above prior": "score - prior",
        "yes ratio": "said",
        "present": "present",
        "hits": "said AND present",
    }
    sums = quantity_sums(answers, quantities)
    table = pd.concat([tabulate(records, sums, _with_f1), yes_no_auc(records, _QUESTIONS)])
    return table.sort_values(list(KEYS), ignore_index=True)


def _with_f1(quantities: Quantities) -> Quantities:
    found = quantities.derive("f1", _f1, of=("hits", "yes ratio", "present"))
    return found.keep(("accuracy", "f1", "yes ratio", "object prior", "above prior"))


def _f1(mean: np.ndarray) -> np.ndarray:
    hits, said, present = np.moveaxis(mean, -1, 0)
    return ratio(2 * hits, said + present)


PROBE = Probe(
    name="pope-splits",
    summary="POPE by split and on unique pairs: accuracy, F1, yes-ratio and AUC beside what the object's name is worth",
    needs="questions of type existence, answered yes or no (POPE, the phantom)",
    run=pope_splits,
    question="Is the object seen, or does its name suffice?",
    reading="Accuracy on clean images, and that of saying yes wherever most other images that are asked about the "
    "object show it: where the two are close, no image is needed.",
    marks=Marks({"accuracy": "accuracy", "object prior": "the object's name alone"}, note="above prior"),
    on_phantom=OnPhantom("above prior", measured=(0.506, 0.206, -0.69)),
)
