"""POPE: is an object in the image? Official answer parsing and scores."""

import math
from collections.abc import Sequence

from robust_atp.errors import UserError


def pope_answer(text: str) -> str:
    """Official reading of an answer: "no" if a word before the first period is No, no or not, else "yes".

    Words are what spaces separate after commas are dropped. So "Nope", "no!", "NO" and the empty answer are
    yes, and "Yes there is no doubt." is no.
    """
    words = text.split(".")[0].replace(",", "").split(" ")
    return "no" if any(word in ("No", "no", "not") for word in words) else "yes"


def pope_correct(prediction: str, answers: Sequence[str]) -> float:
    """1.0 if the prediction, read by ``pope_answer``, is the label ``answers[0]``; else 0.0."""
    return float(pope_answer(prediction) == answers[0])


def pope_correct_as_lmms_eval(prediction: str, answers: Sequence[str]) -> float:
    """lmms-eval's rule: the whole prediction must be the label, so that "Yes." and any sentence are wrong."""
    return float(prediction.lower().strip() == answers[0])


def pope_scores(labels: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """POPE scores of raw answers against ``"yes"``/``"no"`` labels; yes is the positive class.

    Returns accuracy, precision, recall, f1 and yes_ratio (share of answers read as yes), each in [0, 1], and
    the four counts TP, FP, TN, FN. A score whose denominator is zero, where the official program stops with
    an error, is nan: precision and f1 when nothing is answered yes, for instance.

    Li et al., Evaluating Object Hallucination in Large Vision-Language Models, EMNLP 2023.
    """
    if len(labels) != len(answers):
        raise UserError(f"labels and answers must be of one length, got {len(labels)} and {len(answers)}")
    if strange := sorted(set(labels) - {"yes", "no"}):
        raise UserError(f"POPE labels must be 'yes' or 'no', got {strange[0]!r}")
    read = [pope_answer(answer) for answer in answers]
    pairs = list(zip(labels, read, strict=True))
    tp, fp = pairs.count(("yes", "yes")), pairs.count(("no", "yes"))
    tn, fn = pairs.count(("no", "no")), pairs.count(("yes", "no"))
    precision, recall = _ratio(tp, tp + fp), _ratio(tp, tp + fn)
    return {
        "accuracy": _ratio(tp + tn, len(pairs)),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * precision * recall, precision + recall),
        "yes_ratio": _ratio(tp + fp, len(pairs)),
        "TP": tp,
        "FP": fp,
        "TN": tn,
        "FN": fn,
    }


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
