"""VQAv2 accuracy, to the letter of the official evaluation program, quirks included."""

import re
from collections.abc import Sequence
from typing import Literal

from robust_atp.errors import UserError, nearest
from robust_atp.scoring.contractions import CONTRACTIONS

Protocol = Literal["official", "always-normalise"]
PROTOCOLS: tuple[Protocol, ...] = ("official", "always-normalise")

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_ARTICLES = frozenset(("a", "an", "the"))
_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}

_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
# "5.a" loses its period too: the official look-behind for a digit is misspelt, so only what follows counts.
_PERIOD_BEFORE_NO_DIGIT = re.compile(r"\.(?!\d)")
# The official program passes re.UNICODE where re.sub takes its count, and re.UNICODE is 32.
_MOST_PERIODS_REMOVED = 32


def vqa_accuracy(prediction: str, answers: Sequence[str], protocol: Protocol = "official") -> float:
    """VQAv2 accuracy of one prediction against the ten annotators' answers, in [0, 1].

    Each annotator in turn is left out, and the prediction scores min(1, matches among the others / 3); the
    accuracy is the mean, so 0, 1, 2, 3, 4+ matches of ten give 0, 0.3, 0.6, 0.9, 1.

    ``protocol="official"`` normalises prediction and answers only where the annotators disagree: with ten
    times "yes", the prediction "Yes" scores 0. ``"always-normalise"`` is what many harnesses do instead.

    Antol et al., VQA: Visual Question Answering, ICCV 2015; the rule is that of the evaluation program as of
    March 2021. Raises ``UserError`` without answers or for an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise UserError(
            f"protocol '{protocol}' is not one of: {', '.join(PROTOCOLS)}{nearest(protocol, PROTOCOLS)}"
        )
    if isinstance(answers, str) or not answers:
        raise UserError(f"answers must be a sequence of at least one string, got {answers!r}")
    prediction = _on_one_line(prediction)
    answers = [_on_one_line(answer) for answer in answers]
    if protocol == "always-normalise" or len(set(answers)) > 1:
        prediction = normalize_vqa(prediction)
        answers = [normalize_vqa(answer) for answer in answers]
    matches = [answer == prediction for answer in answers]
    total = sum(matches)
    return sum(min(1.0, (total - match) / 3) for match in matches) / len(answers)


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 if the prediction is one of the answers once both are normalised, else 0.0: for answers of any number."""
    return float(normalize_vqa(_on_one_line(prediction)) in {normalize_vqa(_on_one_line(a)) for a in answers})


def normalize_vqa(text: str) -> str:
    """Official normalisation of an answer: punctuation, case, number words, articles and contractions."""
    return _process_digits_and_articles(_process_punctuation(text))


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _process_punctuation(text: str) -> str:
    """Delete or blank out each mark, depending on where it stands in the text as given.

    A mark that touches a space anywhere is deleted everywhere ("x -y-z" becomes "x yz"), any other becomes a
    space ("y-z" becomes "y z"); one comma between digits anywhere has every mark deleted ("black-white 1,000"
    becomes "blackwhite 1000").
    """
    delete_all = _DIGIT_COMMA_DIGIT.search(text) is not None
    processed = text
    for mark in _PUNCTUATION:
        touches_space = f"{mark} " in text or f" {mark}" in text
        processed = processed.replace(mark, "" if delete_all or touches_space else " ")
    return _PERIOD_BEFORE_NO_DIGIT.sub("", processed, count=_MOST_PERIODS_REMOVED)


def _process_digits_and_articles(text: str) -> str:
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
