"""Does a new type of corruption keep the contract? What `robust-atp corruptions check` prints."""

import pickle
import random
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from corruptions import check_image, check_text
from corruptions.corruption import SEVERITIES, Corruption
from corruptions.registry import find

Rule = Callable[[Corruption], str]


@dataclass(frozen=True)
class Verdict:
    """Whether a corruption keeps one rule; ``problem`` says where it does not and is empty otherwise.

    ``advice`` marks what is worth knowing and no reason to refuse a type.
    """

    rule: str
    problem: str = ""
    advice: bool = False

    @property
    def passed(self) -> bool:
        """Whether the rule is kept, or is only advice."""
        return self.advice or not self.problem


def check(corruption: Corruption | str) -> list[Verdict]:
    """Try ``corruption``, or the one of that name, on small examples; return one verdict per rule."""
    corruption = corruption if isinstance(corruption, Corruption) else find(corruption)
    rules, advice = rules_for(corruption)
    return [
        *(Verdict(rule, _problem(test, corruption)) for rule, test in rules.items()),
        *(Verdict(rule, _problem(test, corruption), advice=True) for rule, test in advice.items()),
    ]


def rules_for(corruption: Corruption) -> tuple[dict[str, Rule], dict[str, Rule]]:
    """Return the rules that a type must keep, and those that are advice."""
    medium = check_text if corruption.medium == "text" else check_image
    return medium.RULES | _common_rules(medium.example), medium.ADVICE


def _problem(test: Rule, corruption: Corruption) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return test(corruption)
    # The function on trial is anybody's code: whatever it raises is the finding.
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _common_rules(example: Callable[..., Any]) -> dict[str, Rule]:
    """Return the rules of both media; ``example(corruption, severity, seed)`` corrupts something ordinary."""

    def repeatable(corruption: Corruption) -> str:
        rising = {severity: example(corruption, severity) for severity in range(1, SEVERITIES + 1)}
        for severity in reversed(rising):
            if not np.array_equal(example(corruption, severity), rising[severity]):
                return (
                    f"severity {severity} differs when it is called again; draw from the keyword 'rng' only"
                )
        return ""

    def global_random_state(corruption: Corruption) -> str:
        before = _global_states()
        example(corruption, SEVERITIES)
        for module, state in _global_states().items():
            if state != before[module]:
                return f"draws from {module} instead of the keyword 'rng'"
        return ""

    def seeded(corruption: Corruption) -> str:
        for severity in range(1, SEVERITIES + 1):
            if len({np.asarray(example(corruption, severity, seed)).tobytes() for seed in range(8)}) > 1:
                return ""
        return "takes 'rng' but gives the same results for 8 seeds" if corruption.random else ""

    return {
        "the same call gives the same result": repeatable,
        "global random state is left alone": global_random_state,
        "a random type depends on the seed": seeded,
        "can be sent to a worker process": _picklable,
    }


def _global_states() -> dict[str, Hashable]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (watched, not drawn from)
    return {"numpy.random": pickle.dumps(numpy_state), "random": random.getstate()}


def _picklable(corruption: Corruption) -> str:
    if pickle.loads(pickle.dumps(corruption)) != corruption:
        return "comes back from pickle as something else, so worker processes would run another function"
    return ""
