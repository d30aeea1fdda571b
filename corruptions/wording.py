"""A question in another case or another order."""

import re

import numpy as np
from numpy.typing import NDArray

from corruptions.registry import register

_WORD = re.compile(r"\w[\w'’-]*")


def word_draws(text: str, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw U(0, 1) for every word."""
    return rng.random_sample(len(_WORD.findall(text)))


def chosen(draws: NDArray[np.float64], share: float) -> set[int]:
    """Return the places of the smallest draws: a ``share`` of them, rounded, and at least one."""
    count = min(len(draws), max(1, int(share * len(draws) + 0.5)))
    return set(np.argsort(draws, kind="stable")[:count].tolist())


@register(
    "casing", family="text", medium="text", severity={"share": [0.2, 0.4, 0.6, 0.8, 1.0]}, shared=word_draws
)
def casing(text: str, *, shared: NDArray[np.float64], share: float) -> str:
    """A ``share`` of the words in CAPITALS."""
    loud, place = chosen(shared, share), iter(range(len(shared)))
    return _WORD.sub(lambda word: word[0].upper() if next(place) in loud else word[0], text)


@register("word_order", family="text", medium="text", severity={"reach": [2, 3, 4, 6, 12]}, shared=word_draws)
def word_order(text: str, *, shared: NDArray[np.float64], reach: float) -> str:
    """Words moved by up to ``reach`` places, at least two of them; punctuation stays where it is."""
    words = _WORD.findall(text)
    order = np.argsort(np.arange(len(words)) + reach * shared, kind="stable")
    if len(words) > 1 and np.array_equal(order, np.arange(len(words))):
        first = int(shared[:-1].argmax())
        order[[first, first + 1]] = order[[first + 1, first]]
    place = iter(order.tolist())
    return _WORD.sub(lambda _: words[next(place)], text)
