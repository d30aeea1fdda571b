"""Does a new type of corruption keep the contract? What `robust-atp corruptions check` prints."""

import pickle
import random
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from corruptions.apply import corrupt
from corruptions.images import RGB
from corruptions.registry import SEVERITIES, Corruption, find

SIZES = ((32, 32), (33, 47), (32, 160), (224, 224))  # smallest, odd, narrow, usual


@dataclass(frozen=True)
class Verdict:
    """Whether a corruption keeps one rule; ``problem`` says where it does not and is empty otherwise."""

    rule: str
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the rule is kept."""
        return not self.problem


def check(corruption: Corruption | str) -> list[Verdict]:
    """Try ``corruption``, or the one of that name, on small images; return one verdict per rule."""
    corruption = corruption if isinstance(corruption, Corruption) else find(corruption)
    return [Verdict(rule, _problem(test, corruption)) for rule, test in RULES.items()]


def _problem(test: Callable[[Corruption], str], corruption: Corruption) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return test(corruption)
    # The function on trial is anybody's code: whatever it raises is the finding.
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _scene(height: int, width: int) -> RGB:
    """Return a smooth coloured scene with some texture, black and white included."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y), np.sin(5 * (x + y))], axis=2)
    texture = np.random.RandomState(0).normal(scale=0.1, size=(height, width, 1))
    return np.clip(128 + 140 * (waves + texture), 0, 255).astype(np.uint8)


def _size_and_type(corruption: Corruption) -> str:
    # corrupt() itself refuses a result of another type or size.
    for height, width in SIZES:
        for severity in range(1, SEVERITIES + 1):
            corrupt(_scene(height, width), corruption, severity)
    return ""


def _flat_images(corruption: Corruption) -> str:
    for level in (0, 128, 255):
        for severity in range(1, SEVERITIES + 1):
            corrupt(np.full((32, 40, 3), level, np.uint8), corruption, severity)
    return ""


def _input_untouched(corruption: Corruption) -> str:
    for severity in range(1, SEVERITIES + 1):
        image = _scene(33, 47)
        before = image.copy()
        parameters = corruption.parameters(severity)
        if corruption.random:
            parameters["rng"] = np.random.RandomState(0)
        corruption.apply(image, **parameters)
        if not np.array_equal(image, before):
            return f"severity {severity} changes the image that it is given"
    return ""


def _repeatable(corruption: Corruption) -> str:
    image = _scene(33, 47)
    rising = {severity: corrupt(image, corruption, severity) for severity in range(1, SEVERITIES + 1)}
    for severity in reversed(rising):
        if not np.array_equal(corrupt(image, corruption, severity), rising[severity]):
            return f"severity {severity} differs when it is called again; draw from the keyword 'rng' only"
    return ""


def _global_random_state(corruption: Corruption) -> str:
    before = _global_states()
    corrupt(_scene(33, 47), corruption, SEVERITIES)
    for module, state in _global_states().items():
        if state != before[module]:
            return f"draws from {module} instead of the keyword 'rng'"
    return ""


def _global_states() -> dict[str, Hashable]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (watched, not drawn from)
    return {"numpy.random": pickle.dumps(numpy_state), "random": random.getstate()}


def _seeded(corruption: Corruption) -> str:
    image = _scene(64, 64)
    results = {corrupt(image, corruption, SEVERITIES, seed=seed).tobytes() for seed in range(8)}
    return (
        "takes 'rng' but gives the same image for 8 seeds" if corruption.random and len(results) == 1 else ""
    )


def _effective(corruption: Corruption) -> str:
    image = _scene(64, 64)
    for severity in range(1, SEVERITIES + 1):
        if np.array_equal(corrupt(image, corruption, severity), image):
            return f"severity {severity} leaves the image unchanged"
    return ""


def _picklable(corruption: Corruption) -> str:
    if pickle.loads(pickle.dumps(corruption)) != corruption:
        return "comes back from pickle as something else, so worker processes would run another function"
    return ""


RULES: dict[str, Callable[[Corruption], str]] = {
    "uint8 [H, W, 3] in and out at any size from 32 px": _size_and_type,
    "black, grey and white images pass without a warning": _flat_images,
    "the input is not changed": _input_untouched,
    "the same call gives the same bytes": _repeatable,
    "global random state is left alone": _global_random_state,
    "a random type depends on the seed": _seeded,
    "every severity changes a textured image": _effective,
    "can be sent to a worker process": _picklable,
}
