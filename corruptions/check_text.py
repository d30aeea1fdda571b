"""What the contract asks of a corruption of text."""

from collections.abc import Callable

from corruptions.apply import corrupt, ladder
from corruptions.corruption import SEVERITIES, Corruption

QUESTIONS = (
    "Is there a dog in the image?",
    "What colour is the large umbrella that the woman in front of the station is holding?",
    "How many people?",
)
AWKWARD = ("", " ", "?", "a", "42", "Is", "ÄÖÜ — naïve?", "two\nlines", "\ud83d", "x" * 5000)
LEVELS = range(1, SEVERITIES + 1)


def example(corruption: Corruption, severity: float, seed: int = 0) -> str:
    """Corrupt three questions."""
    return "\n".join(corrupt(question, corruption, severity, seed) for question in QUESTIONS)


def _any_string(corruption: Corruption) -> str:
    # corrupt() itself refuses a result that is no string.
    for text in (*QUESTIONS, *AWKWARD):
        ladder(text, corruption, LEVELS)
    return ""


def _effective(corruption: Corruption) -> str:
    for severity in LEVELS:
        results = [corrupt(QUESTIONS[1], corruption, severity, seed) for seed in range(8)]
        if all(result == QUESTIONS[1] for result in results):
            return f"severity {severity} leaves a long question unchanged for 8 seeds"
    return ""


def _ladder_is_single_calls(corruption: Corruption) -> str:
    for question in QUESTIONS:
        if ladder(question, corruption, LEVELS) != [corrupt(question, corruption, s) for s in LEVELS]:
            return "a severity differs inside a ladder: it changes what the severities share"
    return ""


RULES: dict[str, Callable[[Corruption], str]] = {
    "a string in and out, whatever it holds": _any_string,
    "a ladder is its single calls": _ladder_is_single_calls,
    "every severity changes a long question": _effective,
}
ADVICE: dict[str, Callable[[Corruption], str]] = {}
