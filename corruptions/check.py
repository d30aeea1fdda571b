"""Does a new type of corruption keep the contract? What `robust-atp corruptions check` prints."""

import pickle
import random
import warnings
from collections.abc import Callable, Hashable, Iterator
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
    """Try ``corruption`` (or the name of one) on small images and return one verdict per rule of the contract."""
    corruption = corruption if isinstance(corruption, Corruption) else find(corruption)
    return [Verdict(rule, _first_problem(test, corruption)) for rule, test in RULES.items()]


def _first_problem(test: Callable[[Corruption], Iterator[str]], corruption: Corruption) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return next(test(corruption), "")
    # The function on trial is anybody's code: whatever it raises is the finding.
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _scene(height: int, width: int) -> RGB:
    """Return a smooth coloured scene with some texture, black and white included."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y), np.sin(5 * (x + y))], axis=2)
    texture = np.random.RandomState(0).normal(scale=0.1, size=(height, width, 1))
    return np.clip(128 + 140 * (waves + texture), 0, 255).astype(np.uint8)


def _size_and_type(corruption: Corruption) -> Iterator[str]:
    # corrupt() itself refuses a result of another type or size.
    for height, width in SIZES:
        for severity in range(1, SEVERITIES + 1):
            corrupt(_scene(height, width), corruption, severity)
    yield from ()


def _flat_images(corruption: Corruption) -> Iterator[str]:
    for level in (0, 128, 255):
        for severity in range(1, SEVERITIES + 1):
            corrupt(np.full((32, 40, 3), level, np.uint8), corruption, severity)
    yield from ()


def _input_untouched(corruption: Corruption) -> Iterator[str]:
    for severity in range(1, SEVERITIES + 1):
        image = _scene(33, 47)
        before = image.copy()
        parameters = corruption.parameters(severity)
        if corruption.random:
            parameters["rng"] = np.random.RandomState(0)
        corruption.apply(image, **parameters)
        if not np.array_equal(image, before):
            yield f"severity {severity} changes the image that it is given"


def _repeatable(corruption: Corruption) -> Iterator[str]:
    image = _scene(33, 47)
    rising = {severity: corrupt(image, corruption, severity) for severity in range(1, SEVERITIES + 1)}
    for severity in reversed(rising):
        if not np.array_equal(corrupt(image, corruption, severity), rising[severity]):
            yield f"severity {severity} differs when it is called again; draw from the keyword 'rng' only"


def _global_random_state(corruption: Corruption) -> Iterator[str]:
    before = _global_states()
    corrupt(_scene(33, 47), corruption, SEVERITIES)
    for module, state in _global_states().items():
        if state != before[module]:
            yield f"draws from {module} instead of the keyword 'rng'"


def _global_states() -> dict[str, Hashable]:
    name, words, *position = np.random.get_state()  # noqa: NPY002 (watched, not drawn from)
    return {"numpy.random": (name, bytes(words), *position), "random": random.getstate()}


def _seeded(corruption: Corruption) -> Iterator[str]:
    image = _scene(64, 64)
    results = {corrupt(image, corruption, SEVERITIES, seed=seed).tobytes() for seed in range(8)}
    if corruption.random and len(results) == 1:
        yield "takes 'rng' but gives the same image for 8 seeds"


def _effective(corruption: Corruption) -> Iterator[str]:
    image = _scene(64, 64)
    for severity in range(1, SEVERITIES + 1):
        if np.array_equal(corrupt(image, corruption, severity), image):
            yield f"severity {severity} leaves the image unchanged"


def _picklable(corruption: Corruption) -> Iterator[str]:
    if pickle.loads(pickle.dumps(corruption)) != corruption:
        yield "comes back from pickle as something else, so worker processes would run another function"


RULES: dict[str, Callable[[Corruption], Iterator[str]]] = {
    "uint8 [H, W, 3] in and out at any size from 32 px": _size_and_type,
    "black, grey and white images pass without a warning": _flat_images,
    "the input is not changed": _input_untouched,
    "the same call gives the same bytes": _repeatable,
    "global random state is left alone": _global_random_state,
    "a random type depends on the seed": _seeded,
    "every severity changes a textured image": _effective,
    "can be sent to a worker process": _picklable,
}
