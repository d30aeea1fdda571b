"""POPE split by split, beside what the name of the object alone is worth, and with every pair counted once."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from robust_atp.errors import UserError
from robust_atp.scoring.pope import pope_scores

Question: TypeAlias = Mapping[str, Any]

ASKED_FOR = re.compile(r"Is there (?:an?|the) (.+?) in the \w+\s*\?", re.IGNORECASE)


def pope_splits(
    questions: Mapping[str, Sequence[Question]], answers: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Scores of every split and of ``unique``, the pairs of image and object that occur in any, each counted once.

    ``questions`` maps a split to its records ``{"image", "text", "label"}``, ``answers`` to the raw answers in the
    same order. Scores are those of ``pope_scores`` with ``object_prior`` and ``object_prior_other_images`` beside
    them (see ``object_prior``): an accuracy near them needs no image.

    The official splits share their 1,500 positives, so the mean over splits counts each of those three times, and
    the three recalls are one number. Of a pair that was answered twice the first answer counts; ``UserError`` for one
    that is labelled in two ways.
    """
    if questions.keys() != answers.keys():
        raise UserError(f"questions are of {sorted(questions)}, answers of {sorted(answers)}")
    table = {split: _scores(records, answers[split]) for split, records in questions.items()}
    return table | {"unique": _scores(*_unique(questions, answers))}


def object_prior(questions: Iterable[Question], other_images_only: bool = False) -> float:
    """Accuracy of answering by the object's name: yes where most questions about that object are labelled yes.

    Majorities are counted on the very labels, as a bound on what a prior can do; with ``other_images_only`` those of
    the image in question are left out. A tie, or an object that no other image asks about, is worth one half. In
    [0, 1], nan without questions.
    """
    records = [(record["image"], asked_for(record["text"]), record["label"] == "yes") for record in questions]
    overall: dict[str, Counter[bool]] = defaultdict(Counter)
    in_image: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for image, name, present in records:
        overall[name][present] += 1
        in_image[image, name][present] += 1

    def worth(image: str, name: str, present: bool) -> float:
        counts = overall[name] - in_image[image, name] if other_images_only else overall[name]
        if counts[True] == counts[False]:
            return 0.5
        return float(present == (counts[True] > counts[False]))

    return sum(worth(*record) for record in records) / len(records) if records else math.nan


def asked_for(text: str) -> str:
    """The object that a POPE question asks for; a question of another form stands for what it asks for."""
    found = ASKED_FOR.search(text)
    return (found[1] if found else text).lower()


def _scores(records: Sequence[Question], answers: Sequence[str]) -> dict[str, float]:
    return {
        **pope_scores([record["label"] for record in records], answers),
        "object_prior": object_prior(records),
        "object_prior_other_images": object_prior(records, other_images_only=True),
    }


def _unique(
    questions: Mapping[str, Sequence[Question]], answers: Mapping[str, Sequence[str]]
) -> tuple[list[Question], list[str]]:
    first: dict[tuple[str, str], tuple[Question, str]] = {}
    for split, records in questions.items():
        for record, answer in zip(records, answers[split], strict=True):
            image, name = record["image"], asked_for(record["text"])
            known, _ = first.setdefault((image, name), (record, answer))
            if known["label"] != record["label"]:
                raise UserError(
                    f"'{name}' in {image} is labelled yes and no; the second time in split {split}"
                )
    return [record for record, _ in first.values()], [answer for _, answer in first.values()]
