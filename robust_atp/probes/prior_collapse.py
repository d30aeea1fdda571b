"""Where pruning changes an answer, does it fall back to what the model says without seeing?"""

import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.probes.probe import COLUMNS, Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, per_condition
from robust_atp.query import CONDITION, POPULATION, Records, listed


def prior_collapse(records: Records) -> pd.DataFrame:
    """PC = P[arm's answer = blind answer | unpruned answer ≠ blind answer].

    The blind answer is the unpruned model's to a control image (``collapse to blank``, …). ``… in errors`` is
    the same among the questions that the unpruned model answers right (score at least one half) and the arm
    wrong: 1 would mean that every lost answer is the language prior. The chance level is random pruning's line.
    The unpruned model never collapses, by definition.
    """
    answer = f"{listed(POPULATION)}, image_id, question_id"
    sums = f"""
    WITH blind AS (
        SELECT {answer}, intervention AS control, prediction AS guess FROM records
        WHERE pruner = 'none' AND severity = 0 AND intervention <> 'clean'
    ),
    whole AS (
        SELECT {answer}, {listed(CONDITION)}, noise_seed, prediction AS seen, score AS right FROM records
        WHERE pruner = 'none'
    ),
    moved AS (
        SELECT {listed(CELL, "arm")}, arm.image_id, control, prediction = guess AS collapsed,
               whole.right >= 0.5 AND arm.score < 0.5 AS lost
        FROM records arm
        JOIN whole USING ({answer}, {listed(CONDITION)}, noise_seed)
        JOIN blind USING ({answer})
        WHERE seen <> guess AND (severity > 0 OR intervention = 'clean')
    ),
    sums AS (
        SELECT {listed(CELL)}, control, image_id, count(*) FILTER (collapsed) AS num, count(*) AS den,
               count(*) FILTER (collapsed AND lost) AS num_lost, count(*) FILTER (lost) AS den_lost
        FROM moved GROUP BY ALL
    ),
    stacked AS (
        SELECT {listed(CELL)}, image_id, unnest([
            {{'quantity': 'collapse to ' || control, 'num': num, 'den': den}},
            {{'quantity': 'collapse to ' || control || ' in errors', 'num': num_lost, 'den': den_lost}}
        ], recursive := true)
        FROM sums
    )
    SELECT {listed(KEYS)}, image_id, num, den FROM stacked WHERE den > 0
    """
    return per_condition(records, sums, ImageSums.table)[list(COLUMNS)]


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
