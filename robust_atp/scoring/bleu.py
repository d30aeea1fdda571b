"""BLEU-1 to BLEU-4 of a corpus, as the COCO caption evaluation computes them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

_ORDERS = 4
# The official program's guards: a corpus without a match scores almost, but not quite, nothing.
_TINY, _SMALL = 1e-15, 1e-9


def bleu(pairs: Iterable[tuple[Sequence[str], Sequence[Sequence[str]]]]) -> tuple[float, ...]:
    """BLEU-1..4 over (tokenised caption, tokenised references) pairs, each in [0, 1].

    Geometric mean of the clipped n-gram precisions up to each order, counted over the whole corpus, times
    exp(1 - r/c) where the captions (c words) are shorter than the references closest to them in length (r words; the
    shorter of two equally close). Without pairs, or without words, all but nothing.

    Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002.
    """
    matches, guesses = [0] * _ORDERS, [0] * _ORDERS
    words = closest = 0
    for candidate, references in pairs:
        words += len(candidate)
        closest += min((abs(len(caption) - len(candidate)), len(caption)) for caption in references)[1]
        for order in range(1, _ORDERS + 1):
            guesses[order - 1] += max(0, len(candidate) - order + 1)
            matches[order - 1] += _clipped_matches(candidate, references, order)
    ratio = (words + _TINY) / (closest + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    precisions = [(match + _TINY) / (guess + _SMALL) for match, guess in zip(matches, guesses, strict=True)]
    return tuple(brevity * math.prod(precisions[:order]) ** (1 / order) for order in range(1, _ORDERS + 1))


def _clipped_matches(candidate: Sequence[str], references: Sequence[Sequence[str]], order: int) -> int:
    most: Counter[tuple[str, ...]] = Counter()
    for caption in references:
        most |= _ngrams(caption, order)
    return (_ngrams(candidate, order) & most).total()


def _ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))
