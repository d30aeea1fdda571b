"""Is the model right where the usual answer is right, and wrong where it is not?"""

from functools import partial

import pandas as pd

from robust_atp.probes.contrast import with_gap
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, quantity_sums, tabulate
from robust_atp.query import Records, listed, query

FOLDS = 10


def answer_prior(records: Records) -> pd.DataFrame:
    """Split questions by whether the most frequent answer to their question type is the right one.

    The prior of an image's questions is counted on the other nine tenths of the images (folds by hash of the
    image id; the alphabetically first of equally frequent answers), so that no question votes for itself.
    ``prior right`` and ``prior wrong`` are the accuracies, ``gap`` their difference, and ``prior errors`` the
    share of wrong answers to the second kind that are the prior's. What VQA-CP asks by training on a changed
    prior, asked of a model that is already trained.
    """
    asked = query(
        records,
        f"""
        WITH questions AS (
            SELECT DISTINCT dataset, split, question_type, image_id, question_id, answer,
                   md5_number_lower(image_id) % {FOLDS} AS fold
            FROM records
        ),
        counts AS (
            SELECT dataset, split, question_type, fold, answer, count(*) AS n FROM questions GROUP BY ALL
        ),
        others AS (
            SELECT folds.*, counts.answer, sum(counts.n) AS n
            FROM (SELECT DISTINCT dataset, split, question_type, fold FROM counts) folds
            JOIN counts USING (dataset, split, question_type) WHERE counts.fold <> folds.fold
            GROUP BY ALL
        ),
        prior AS (
            SELECT dataset, split, question_type, fold, first(answer ORDER BY n DESC, answer) AS usual
            FROM others GROUP BY ALL
        )
        SELECT dataset, split, question_type, image_id, question_id, usual, usual = answer AS is_right
        FROM questions JOIN prior USING (dataset, split, question_type, fold)
        """,
    )
    # In a query of its own, because DuckDB takes all these joins for billions of rows, and finds no memory for them.
    answers = f"""
        SELECT {listed(CELL)}, image_id, score, is_right, lower(prediction) = lower(usual) AS is_usual
        FROM records JOIN asked USING (dataset, split, question_type, image_id, question_id)
    """
    quantities = {
        "prior right": "CASE WHEN is_right THEN score END",
        "prior wrong": "CASE WHEN NOT is_right THEN score END",
        "prior errors": "CASE WHEN NOT is_right AND score < 0.5 THEN is_usual END",
    }
    return tabulate(records, quantity_sums(answers, quantities), _with_gap, asked=asked)


_with_gap = partial(with_gap, first="prior right", second="prior wrong")

PROBE = Probe(
    name="answer-prior",
    summary="accuracy where the usual answer to a kind of question is right minus where it is wrong",
    needs="question types that have a most frequent answer",
    run=answer_prior,
    question="Does the model give the usual answer?",
    reading="Accuracy on clean images where the most frequent answer to the question type is the right one and "
    "where it is not; at the right the gap in points.",
    marks=Marks({"prior right": "usual answer is right", "prior wrong": "usual answer is wrong"}, note="gap"),
    on_phantom=OnPhantom(
        "gap",
        measured=(0.006, 0.042, 0.16),
        why_not="the planted cue is in the image; no answer is the usual one to a kind of question",
    ),
)
