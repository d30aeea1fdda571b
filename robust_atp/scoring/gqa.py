"""GQA: exact answers, and whether they hang together. The official scores of its evaluation program."""

import math
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robust_atp.errors import UserError

# "What do both have in common?" is answered by one of these, whatever the files of choices list.
_COMMON = ("color", "material", "shape")
# Operations that only read out what others have found are no steps of reasoning.
_READ_OUT = ("exist", "query: name", "choose name")


def gqa_scores(
    questions: Mapping[str, Mapping[str, Any]],
    predictions: Iterable[Mapping[str, Any]],
    choices: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> dict[str, Any]:
    """GQA's official scores, in percent; inputs are what its JSON files hold.

    ``questions`` maps ids to records, ``predictions`` are ``{"questionId", "prediction"}`` records, ``choices`` maps
    ids to ``{"valid": [...], "plausible": [...]}``. Answers are compared as they stand: "Couch" is not "couch".

    Balanced questions alone are scored:

    - ``accuracy``; ``binary`` where the structural type is not query, ``open`` where it is;
    - ``consistency``: mean, over questions answered correctly that entail others, of the accuracy on those. Needs the
      entailed questions (the files of all questions) with their predictions, else nan;
    - ``validity``, ``plausibility``: share of predictions among the choices of their question; nan without ``choices``;
    - ``distribution``: χ² of predicted against right answers within each global group, weighted by its size, / 100.
      Lower is better; grows with the number of questions. Predictions that are nowhere right do not count;
    - ``accuracyPerStructuralType``, ``…SemanticType``, ``…Steps``, ``…Length``: ``{"accuracy", "count"}`` by name.

    What has nothing to average is nan, where the official program says 0. ``UserError`` without a prediction for a
    balanced question.

    Hudson and Manning, GQA: A New Dataset for Real-World Visual Reasoning, CVPR 2019.
    """
    answered = _by_question(predictions)
    balanced = {str(name): record for name, record in questions.items() if record["isBalanced"]}
    if missing := [name for name in balanced if name not in answered]:
        raise UserError(
            f"{len(missing)} of {len(balanced)} balanced questions have no prediction, e.g. {missing[0]}"
        )
    correct = {name: answered[name] == record["answer"] for name, record in balanced.items()}
    kinds = {name: record["types"]["structural"] for name, record in balanced.items()}
    return {
        "accuracy": _percent(correct.values()),
        "binary": _percent(right for name, right in correct.items() if kinds[name] != "query"),
        "open": _percent(right for name, right in correct.items() if kinds[name] == "query"),
        "consistency": _consistency(questions, balanced, correct, answered),
        "validity": _among_choices(balanced, answered, choices, "valid"),
        "plausibility": _among_choices(balanced, answered, choices, "plausible"),
        "distribution": _distribution(balanced, answered),
        "accuracyPerStructuralType": _by(correct, kinds),
        "accuracyPerSemanticType": _by(correct, {n: r["types"]["semantic"] for n, r in balanced.items()}),
        "accuracyPerSteps": _by(correct, {n: str(reasoning_steps(r)) for n, r in balanced.items()}),
        "accuracyPerLength": _by(correct, {n: str(len(r["question"].split())) for n, r in balanced.items()}),
    }


def gqa_ood_scores(
    head: Mapping[str, Mapping[str, Any]],
    tail: Mapping[str, Mapping[str, Any]],
    predictions: Sequence[Mapping[str, Any]],
) -> dict[str, float]:
    """GQA-OOD: accuracy in percent where the answer is frequent (``head``), where it is rare (``tail``), on ``all``.

    ``delta`` = 100 · (head - tail) / tail: how much is lost from head to tail, nan if nothing is right in the tail.
    A model that only knows the most frequent answer has head 81.3, tail 0 on testdev.

    Kervadec et al., Roses Are Red, Violets Are Blue... but Should VQA Expect Them To?, CVPR 2021.
    """
    parts = {"all": {**head, **tail}, "head": head, "tail": tail}
    scores = {name: float(gqa_scores(part, predictions)["accuracy"]) for name, part in parts.items()}
    lost = scores["head"] - scores["tail"]
    return scores | {"delta": 100 * lost / scores["tail"] if scores["tail"] else math.nan}


def gqa_correct(prediction: str, answers: Sequence[str]) -> float:
    """1.0 if the prediction is the answer ``answers[0]`` to the letter, else 0.0: the official rule."""
    return float(prediction == answers[0])


def as_llava_hands_in(prediction: str) -> str:
    """What LLaVA makes of an answer before it is handed in: lower case, no final period."""
    return prediction.rstrip(".").lower()


def gqa_correct_as_llava(prediction: str, answers: Sequence[str]) -> float:
    """The official rule for answers as LLaVA hands them in."""
    return gqa_correct(as_llava_hands_in(prediction), answers)


def gqa_correct_as_lmms_eval(prediction: str, answers: Sequence[str]) -> float:
    """lmms-eval's rule: equal but for case and punctuation."""
    bare = str.maketrans("", "", string.punctuation)
    return float(prediction.lower().translate(bare) == answers[0].lower().translate(bare))


def _by_question(predictions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    answered: dict[str, str] = {}
    for record in predictions:
        name = str(record["questionId"])
        if answered.setdefault(name, record["prediction"]) != record["prediction"]:
            raise UserError(
                f"question {name} has two predictions: {answered[name]!r} and {record['prediction']!r}"
            )
    return answered


def _consistency(
    questions: Mapping[str, Mapping[str, Any]],
    balanced: Mapping[str, Mapping[str, Any]],
    correct: Mapping[str, bool],
    answered: Mapping[str, str],
) -> float:
    right_answers = {str(name): record["answer"] for name, record in questions.items()}
    shares = []
    for name, record in balanced.items():
        entailed = [str(other) for other in record["entailed"] if str(other) != name]
        if correct[name] and entailed:
            if any(other not in right_answers or other not in answered for other in entailed):
                return math.nan
            shares.append(sum(answered[other] == right_answers[other] for other in entailed) / len(entailed))
    return _percent(shares)


def _among_choices(
    balanced: Mapping[str, Mapping[str, Any]],
    answered: Mapping[str, str],
    choices: Mapping[str, Mapping[str, Sequence[str]]] | None,
    kind: str,
) -> float:
    if choices is None:
        return math.nan
    if missing := [name for name in balanced if name not in choices]:
        raise UserError(f"{len(missing)} balanced questions have no choices, e.g. {missing[0]}")
    return _percent(
        answered[name] in (_COMMON if "Common" in record["types"]["detailed"] else choices[name][kind])
        for name, record in balanced.items()
    )


def _distribution(balanced: Mapping[str, Mapping[str, Any]], answered: Mapping[str, str]) -> float:
    right: dict[str, Counter[str]] = defaultdict(Counter)
    predicted: dict[str, Counter[str]] = defaultdict(Counter)
    for name, record in balanced.items():
        if (group := record["groups"]["global"]) is not None:
            right[group][record["answer"]] += 1
            predicted[group][answered[name]] += 1
    total = sum(counts.total() for counts in right.values())
    weighted = sum(_chi_square(counts, predicted[group]) * counts.total() for group, counts in right.items())
    return weighted / total / 100 if total else math.nan


def _chi_square(expected: Counter[str], observed: Counter[str]) -> float:
    return sum((observed[answer] - count) ** 2 / count for answer, count in expected.items())


def reasoning_steps(record: Mapping[str, Any]) -> int:
    """How many operations a question takes, those aside that only read out what others have found."""
    steps = (f"{step['operation']}: {step['argument']}" for step in record["semantic"])
    return sum(not any(word in step for word in _READ_OUT) for step in steps)


def _by(correct: Mapping[str, bool], keys: Mapping[str, str]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for name, right in correct.items():
        groups[keys[name]].append(right)
    return {key: {"accuracy": _percent(groups[key]), "count": len(groups[key])} for key in sorted(groups)}


def _percent(scores: Iterable[float]) -> float:
    values = list(scores)
    return 100 * sum(values) / len(values) if values else math.nan
