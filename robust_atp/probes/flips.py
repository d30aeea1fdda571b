"""How many answers does pruning change, whatever the accuracy says?"""

import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.probes.probe import COLUMNS, Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, per_condition, quantity_sums
from robust_atp.query import CONDITION, POPULATION, Records, listed


def flips(records: Records) -> pd.DataFrame:
    """Compare each answer with the unpruned model's to the same question about the same pixels.

    Of all questions, ``right to wrong`` is the score lost where the arm scores less, ``wrong to right`` the
    score won where it scores more (their difference is the loss in accuracy), and ``churn`` the share whose
    answer is another word, right or wrong: equal accuracy can hide any amount of it. ``first-token kl`` is the
    mean of KL(unpruned || arm) over the vocabulary at the first answer token, in nats: what moves before a word
    changes; divergences that are infinite or not recorded are left out. The unpruned model is compared with
    itself. Dutta et al., Accuracy is not all you need, 2024.
    """
    answers = f"""
        SELECT {listed(CELL, "arm")}, image_id, whole.score - arm.score AS lost,
               arm.prediction <> whole.prediction AS other, arm.first_token_kl AS kl
        FROM records arm JOIN records whole
        USING ({listed((*POPULATION, *CONDITION))}, noise_seed, image_id, question_id)
        WHERE whole.pruner = 'none'
    """
    quantities = {
        "right to wrong": "greatest(lost, 0)",
        "wrong to right": "greatest(-lost, 0)",
        "churn": "other",
        "first-token kl": "CASE WHEN isfinite(kl) THEN kl END",
    }
    sums = quantity_sums(answers, quantities)
    return per_condition(records, sums, ImageSums.table)[list(COLUMNS)]


PROBE = Probe(
    name="flips",
    summary="answers that pruning changes against the unpruned model: right to wrong, wrong to right, any; KL",
    needs="any study",
    run=flips,
    question="Does accuracy hide changed answers?",
    reading="Share of answers on clean images that differ from the unpruned model's: a method may win back in one "
    "place what it loses in another.",
    marks=Marks(
        {"right to wrong": "right to wrong", "wrong to right": "wrong to right", "churn": "any change"}
    ),
    on_phantom=OnPhantom(
        "churn",
        measured=(0.056, 0.087, 0.33),
        pruned=True,
        why_not="it counts what pruning changes, not what an answer leans on",
    ),
)
