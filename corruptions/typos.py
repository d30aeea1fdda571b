"""Slips of the fingers."""

import re

import numpy as np

from corruptions.registry import register
from corruptions.wording import chosen

_LONG_WORD = re.compile(r"\w{3,}")
# Keys beside each other on a QWERTY keyboard.
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slips(text: str, rng: np.random.RandomState) -> tuple[np.ndarray, list[str]]:
    """Draw U(0, 1) for every word of at least three characters, and that word mistyped."""
    words = _LONG_WORD.findall(text)
    return rng.random_sample(len(words)), [mistyped(word, rng) for word in words]


@register("typos", family="text", medium="text", severity={"share": [0.1, 0.2, 0.35, 0.5, 0.8]}, shared=slips)
def typos(text: str, *, shared: tuple[np.ndarray, list[str]], share: float) -> str:
    """One slip in a ``share`` of the words of at least three characters, and in at least one of them."""
    draws, wrong = shared
    hit, place = chosen(draws, share), iter(range(len(draws)))
    return _LONG_WORD.sub(lambda word: wrong[n] if (n := next(place)) in hit else word[0], text)


def mistyped(word: str, rng: np.random.RandomState) -> str:
    """Return a word with two letters exchanged, one left out, one doubled, or one of the neighbouring key.

    The first letter stays: people rarely miss it, and readers rely on it.
    """
    at = rng.randint(1, len(word))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    slip = rng.randint(4)
    if slip == 0 and after and after[0] != letter:
        return before + after[0] + letter + after[1:]
    if slip == 1:
        return before + after
    if slip == 2:
        return before + _beside(letter, rng) + after
    return before + letter + letter + after


def _beside(letter: str, rng: np.random.RandomState) -> str:
    for row in ROWS:
        if (place := row.find(letter.lower())) >= 0:
            neighbours = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            return neighbours[rng.randint(len(neighbours))]
    return letter * 2
