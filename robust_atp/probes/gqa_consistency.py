"""Does a model that answers a question right also know what follows from it?"""

import pandas as pd

from robust_atp.probes.phantom_views import with_entailments
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, tabulate
from robust_atp.query import CONDITION, POPULATION, Records, listed

_ANSWER = f"{listed(CELL)}, noise_seed, image_id"
_BESIDE_UNPRUNED = ("both right", "unpruned, both right", "change")


def gqa_consistency(records: Records) -> pd.DataFrame:
    """Accuracy on the questions that a rightly answered one entails, averaged over the latter, the premises.

    ``consistency`` takes the premises that the arm itself answers right (score at least one half), as GQA does: a set
    that changes with pruning. ``both right`` takes those that the unpruned model answers right, too, ``unpruned, both
    right`` is what the unpruned model makes of the same, and ``change`` the first of these two minus the second.
    Entailed questions that the study does not ask do not count (``entailed: true`` in its data has them asked), nor
    does a question itself. n counts premises.

    Hudson and Manning, GQA: A New Dataset for Real-World Visual Reasoning, CVPR 2019.
    """
    sums = f"""
    WITH answers AS (
        SELECT {listed(CELL, "arm")}, noise_seed, image_id, question_id, arm.score, whole.score AS unpruned
        FROM records arm LEFT JOIN (FROM records WHERE pruner = 'none') whole
        USING ({listed((*POPULATION, *CONDITION))}, noise_seed, image_id, question_id)
    ),
    entailments AS (
        SELECT DISTINCT dataset, split, image_id, question_id AS premise,
               unnest(string_split(json_extract_string("group", '$.entailed'), ' ')) AS question_id
        FROM records
    ),
    followed AS (
        SELECT {_ANSWER}, premise, avg(score) AS share, avg(unpruned) AS share_unpruned
        FROM entailments JOIN answers USING (dataset, split, image_id, question_id)
        WHERE question_id <> premise GROUP BY ALL
    ),
    premises AS (
        SELECT followed.*, score >= 0.5 AS is_right, score >= 0.5 AND unpruned >= 0.5 AS both_right
        FROM followed JOIN (SELECT * RENAME (question_id AS premise) FROM answers) USING ({_ANSWER}, premise)
    ),
    long AS (
        SELECT *, 'consistency' AS quantity, share AS num FROM premises WHERE is_right
        UNION ALL SELECT *, 'both right', share FROM premises WHERE both_right
        UNION ALL SELECT *, 'unpruned, both right', share_unpruned FROM premises WHERE both_right
        UNION ALL SELECT *, 'change', share - share_unpruned FROM premises WHERE both_right
    )
    SELECT {listed(KEYS)}, image_id, sum(num) AS num, count(*) AS den FROM long
    WHERE num IS NOT NULL GROUP BY ALL
    """
    return tabulate(records, sums, relative=_BESIDE_UNPRUNED)


PROBE = Probe(
    name="gqa-consistency",
    summary="accuracy on what a rightly answered question entails, also where arm and unpruned model are both right",
    needs="questions with those they entail in the group column (GQA, with entailed: true)",
    run=gqa_consistency,
    question="Does what follows from a right answer still hold?",
    reading="Of the questions entailed by one that both the arm and the unpruned model answer right, the share that "
    "each of the two answers right, on clean images.",
    marks=Marks({"both right": "the arm", "unpruned, both right": "the unpruned model"}, note="change"),
    on_phantom=OnPhantom("consistency", measured=(0.993, 0.518, -1.36), view=with_entailments),
)
