"""Where pruning changes an answer, does it fall back to what the model says without seeing?"""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Marks, OnPhantom, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed

_KEYS = (*POPULATION, *ARM, *CONDITION, "quantity")


def prior_collapse(records: Records) -> pd.DataFrame:
    """PC = P[arm's answer = blind answer | unpruned answer ≠ blind answer].

    The blind answer is the unpruned model's to a control image (``collapse to blank``, …). ``… in errors`` is
    the same among the questions that the unpruned model answers right (score at least one half) and the arm
    wrong: 1 would mean that every lost answer is the language prior. The chance level is random pruning's line.
    The unpruned model never collapses, by definition.
    """
    answer = f"{listed(POPULATION)}, image_id, question_id"
    sums = image_rows(
        records,
        f"""
        WITH blind AS (
            SELECT {answer}, intervention AS control, prediction AS guess FROM records
            WHERE pruner = 'none' AND severity = 0 AND intervention <> 'clean'
        ),
        whole AS (
            SELECT {answer}, {listed(CONDITION)}, noise_seed, prediction AS seen, score AS right FROM records
            WHERE pruner = 'none'
        ),
        moved AS (
            SELECT arm.*, control, (prediction = guess)::DOUBLE AS share,
                   whole.right >= 0.5 AND arm.score < 0.5 AS lost
            FROM records arm
            JOIN whole USING ({answer}, {listed(CONDITION)}, noise_seed)
            JOIN blind USING ({answer})
            WHERE seen <> guess AND (severity > 0 OR intervention = 'clean')
        ),
        long AS (
            SELECT *, 'collapse to ' || control AS quantity FROM moved
            UNION ALL SELECT *, 'collapse to ' || control || ' in errors' FROM moved WHERE lost
        )
        SELECT {listed(_KEYS)}, image_id, sum(share) AS num, count(*) AS den FROM long GROUP BY ALL
        """,
    )
    return per_dataset(sums, _KEYS, ImageSums.table)[list(COLUMNS)]


PROBE = Probe(
    name="prior-collapse",
    summary="answers that pruning turns into what the model says to a control image",
    needs="control images (blank, shuffled, …) among the interventions",
    run=prior_collapse,
    question="Does pruning fall back on the language prior?",
    reading="Of the questions that the unpruned model answers otherwise when it sees the image, the share that the "
    "pruned model answers as the unpruned one does blind.",
    marks=Marks({"collapse to blank": "falls back on the answer to a blank image"}),
    on_phantom=OnPhantom("collapse to blank", measured=(0.058, 0.124, 0.41), pruned=True),
)
