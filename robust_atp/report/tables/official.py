"""What the official programs of the data sets would print, cell by cell."""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import pandas as pd

from robust_atp.query import ARM, CONDITION, Records, listed, query
from robust_atp.scoring import (
    as_llava_hands_in,
    caption_scores,
    gqa_ood_scores,
    gqa_scores,
    pope_splits,
    vqa_accuracy,
)

# One table for each split of a data set.
Splits: TypeAlias = Mapping[str, pd.DataFrame]
Figures: TypeAlias = Iterator[tuple[str, str, float, int]]  # split, quantity, value, answers behind it

_SEEN = ("backbone", "dataset", *CONDITION, "noise_seed", "metric")
_FIGURE = ("split", "quantity", "value", "n")
COLUMNS = ("backbone", "dataset", *ARM, *CONDITION, "metric", *_FIGURE)


def official(records: Records) -> pd.DataFrame:
    """Scores in the units of each official program, one row per cell and quantity; means over noise seeds.

    - VQAv2, percent: ``overall`` and per answer type; ``always-normalise`` is what lmms-eval would say.
    - GQA, percent: accuracy, binary, open, consistency, validity, plausibility and distribution (``gqa_scores``), as
      far as they are defined; GQA-OOD also acc-head, acc-tail and delta (``gqa_ood_scores``).
    - POPE, shares: accuracy, precision, recall, f1, yes_ratio and what the object's name alone is worth
      (``pope_splits``); the split ``unique`` holds the pairs that occur in any split, once.
    - Captions: cider (weighted as the score is), bleu1 to bleu4, rouge_l (``caption_scores``).

    No intervals: the differences that a study is about have theirs elsewhere.
    """
    rows: list[dict[Hashable, Any]] = []
    seen = query(
        records, f"SELECT DISTINCT {listed(_SEEN)} FROM records WHERE metric IS NOT NULL ORDER BY ALL"
    )
    readers = {"vqa": partial(_vqa_sums, always=_always_normalised(records))}
    for condition in map(dict, seen.to_dict("records")):
        metric = condition["metric"].partition(":")[0]
        figures, read = _FIGURES.get(metric), readers.get(metric, _answers)
        if figures is not None:
            for arm, answers in read(records, condition).groupby(list(ARM), sort=True):
                cell = condition | dict(zip(ARM, arm, strict=True))
                splits = {str(split): part for split, part in answers.groupby("split", sort=True)}
                rows += [cell | dict(zip(_FIGURE, figure, strict=True)) for figure in figures(splits)]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    keys = [column for column in COLUMNS if column != "value"]
    means = pd.DataFrame(rows).groupby(keys, sort=False, dropna=False)["value"].mean()
    return means.reset_index()[list(COLUMNS)]


def _answers(records: Records, condition: Mapping[Hashable, Any]) -> pd.DataFrame:
    return query(
        records,
        f"""
        SELECT {listed(ARM)}, split, image_id, question_id, question, answer_type, "group", prediction, answer,
               answers, metric, score
        FROM records WHERE {_where(condition)} ORDER BY split, image_id, question_id
        """,
    )


def _where(condition: Mapping[Hashable, Any]) -> str:
    return " AND ".join(f'"{name}" = {_literal(value)}' for name, value in condition.items())


def _literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _always_normalised(records: Records) -> pd.DataFrame:
    """What each answer to a question scores under the other protocol: of ten million answers few are different."""
    said = query(
        records,
        """
        SELECT dataset, split, question_id, prediction, any_value(answers) AS answers FROM records
        WHERE metric = 'vqa' OR metric LIKE 'vqa:%' GROUP BY dataset, split, question_id, prediction
        """,
    )
    scores = [
        vqa_accuracy(prediction, answers, "always-normalise")
        for prediction, answers in zip(said["prediction"], map(tuple, said["answers"]), strict=True)
    ]
    return said.drop(columns="answers").assign(always=pd.Series(scores, dtype=float))


def _vqa_sums(records: Records, condition: Mapping[Hashable, Any], always: pd.DataFrame) -> pd.DataFrame:
    return query(
        records,
        f"""
        SELECT {listed(ARM)}, split, answer_type, sum(score) AS score, sum(always) AS always, count(*) AS n
        FROM records JOIN always USING (dataset, split, question_id, prediction)
        WHERE {_where(condition)} GROUP BY ALL
        """,
        always=always,
    ).round(9)  # threads add in any order


def _vqa(splits: Splits) -> Figures:
    for split, sums in splits.items():
        n = int(sums["n"].sum())
        yield split, "overall", 100 * sums["score"].sum() / n, n
        yield split, "overall, always-normalise", 100 * sums["always"].sum() / n, n
        for kind, part in sums.groupby("answer_type", sort=True):
            yield split, str(kind), 100 * part["score"].sum() / part["n"].sum(), int(part["n"].sum())


def _gqa(splits: Splits) -> Figures:
    for split, rows in splits.items():
        groups = {
            name: json.loads(group) for name, group in zip(rows["question_id"], rows["group"], strict=True)
        }
        questions = {
            row["question_id"]: _gqa_record(row, groups[row["question_id"]])
            for row in rows.to_dict("records")
        }
        predictions = _gqa_predictions(rows)
        for quantity, value in gqa_scores(questions, predictions, _gqa_choices(groups)).items():
            if not isinstance(value, dict):
                yield split, quantity, value, len(rows)
        yield from _gqa_ood(split, groups, questions, predictions)


def _gqa_ood(
    split: str,
    groups: Mapping[str, Mapping[str, str]],
    questions: Mapping[str, dict[str, Any]],
    predictions: Sequence[dict[str, str]],
) -> Figures:
    """Accuracy in the head and in the tail, for questions that say which they belong to."""
    head, tail = (
        {name: record for name, record in questions.items() if groups[name].get("frequency") == part}
        for part in ("head", "tail")
    )
    if head or tail:
        scores = gqa_ood_scores(head, tail, predictions)
        yield split, "acc-head", scores["head"], len(head)
        yield split, "acc-tail", scores["tail"], len(tail)
        yield split, "delta", scores["delta"], len(head) + len(tail)


def _gqa_predictions(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Answers as they would be handed in under the protocol of the score."""
    (metric,) = rows["metric"].unique()
    said = rows["prediction"].map(as_llava_hands_in) if metric == "gqa:llava" else rows["prediction"]
    # Under a protocol that is not to the letter, what it takes for right counts as the answer itself.
    said = said.where(rows["score"] < 1, rows["answer"])
    return [
        {"questionId": name, "prediction": text} for name, text in zip(rows["question_id"], said, strict=True)
    ]


def _gqa_record(row: Mapping[Hashable, Any], group: Mapping[str, str]) -> dict[str, Any]:
    return {
        "question": row["question"],
        "answer": row["answer"],
        "isBalanced": group["balanced"] == "yes",
        "entailed": group.get("entailed", "").split(),
        "types": {key: group[key] for key in ("structural", "semantic", "detailed")},
        "groups": {"global": group.get("global")},
        "semantic": [],
    }


def _gqa_choices(groups: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, list[str]]] | None:
    """The valid and plausible answers that balanced questions carry, if the study had a file of them."""
    found = {
        name: {kind: json.loads(group[kind]) for kind in ("valid", "plausible")}
        for name, group in groups.items()
        if "valid" in group
    }
    return found or None


def _pope(splits: Splits) -> Figures:
    questions = {
        split: [
            {"image": image, "text": text, "label": label}
            for image, text, label in zip(rows["image_id"], rows["question"], rows["answer"], strict=True)
        ]
        for split, rows in splits.items()
    }
    answers = {split: list(rows["prediction"]) for split, rows in splits.items()}
    for split, scores in pope_splits(questions, answers).items():
        n = sum(scores[count] for count in ("TP", "FP", "TN", "FN"))
        for quantity, value in scores.items():
            yield split, quantity, value, int(n)


def _captions(splits: Splits) -> Figures:
    for split, rows in splits.items():
        references = {
            name: list(found) for name, found in zip(rows["question_id"], rows["answers"], strict=True)
        }
        scores = caption_scores(dict(zip(rows["question_id"], rows["prediction"], strict=True)), references)
        for quantity, value in (scores | {"cider": 10 * rows["score"].mean()}).items():
            yield split, quantity, value, len(rows)


_FIGURES: Mapping[str, Callable[[Splits], Figures]] = {
    "vqa": _vqa, "gqa": _gqa, "pope": _pope, "cider": _captions,
}  # fmt: skip
