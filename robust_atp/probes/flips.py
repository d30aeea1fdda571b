"""How many answers does pruning change, whatever the accuracy says?"""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.probes.probe import COLUMNS, Marks, OnPhantom, Probe
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed

_KEYS = (*POPULATION, *ARM, *CONDITION, "quantity")


def flips(records: Records) -> pd.DataFrame:
    """Compare each answer with the unpruned model's to the same question about the same pixels.

    Of all questions, ``right to wrong`` is the score lost where the arm scores less, ``wrong to right`` the
    score won where it scores more (their difference is the loss in accuracy), and ``churn`` the share whose
    answer is another word, right or wrong: equal accuracy can hide any amount of it. ``first-token kl`` is the
    mean of KL(unpruned || arm) over the vocabulary at the first answer token, in nats: what moves before a word
    changes; divergences that are infinite or not recorded are left out. The unpruned model is compared with
    itself. Dutta et al., Accuracy is not all you need, 2024.
    """
    sums = image_rows(
        records,
        f"""
        WITH pairs AS (
            SELECT arm.*, greatest(whole.score - arm.score, 0) AS "right to wrong",
                   greatest(arm.score - whole.score, 0) AS "wrong to right",
                   (arm.prediction <> whole.prediction)::DOUBLE AS churn,
                   CASE WHEN isfinite(arm.first_token_kl) THEN arm.first_token_kl END AS "first-token kl"
            FROM records arm JOIN records whole
            USING ({listed((*POPULATION, *CONDITION))}, noise_seed, image_id, question_id)
            WHERE whole.pruner = 'none'
        ),
        long AS (
            UNPIVOT pairs ON "right to wrong", "wrong to right", churn, "first-token kl" INTO NAME quantity VALUE share
        )
        SELECT {listed(_KEYS)}, image_id, sum(share) AS num, count(*) AS den FROM long
        GROUP BY ALL
        """,
    )
    return per_dataset(sums, _KEYS, ImageSums.table)[list(COLUMNS)]


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
