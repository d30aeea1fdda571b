"""CIDEr-D: do the words and phrases that matter in the reference captions occur in a caption?"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

NGram: TypeAlias = tuple[str, ...]

_ORDERS = 4
_SIGMA = 6.0
_SCALE = 10.0


@dataclass(frozen=True)
class DocumentFrequencies:
    """In the references of how many images each n-gram occurs, and how many images there are.

    They weigh the n-grams: log(images / count). CIDEr-D depends on them, so figures of two subsets, or of a subset
    and the whole, compare only under the same ones.
    """

    counts: Mapping[NGram, int]
    images: int

    @classmethod
    def of(cls, references: Iterable[Sequence[Sequence[str]]]) -> "DocumentFrequencies":
        """Count over images, each with its tokenised references."""
        counts: Counter[NGram] = Counter()
        images = 0
        for captions in references:
            counts.update(set(chain.from_iterable(map(_ngrams, captions))))
            images += 1
        return cls(counts, images)

    def weight(self, ngram: NGram) -> float:
        """Inverse document frequency; an n-gram that no reference holds counts as held by one image's."""
        return math.log(self.images) - math.log(max(1, self.counts.get(ngram, 0)))


@dataclass(frozen=True)
class _Vectors:
    """tf-idf of a caption, order by order."""

    weights: tuple[Mapping[NGram, float], ...]  # by order 1..4
    norms: tuple[float, ...]
    bigrams: int


def cider_d(
    candidate: Sequence[str], references: Sequence[Sequence[str]], frequencies: DocumentFrequencies
) -> float:
    """CIDEr-D of one tokenised caption against those of its image, in [0, 10].

    Ten times the mean over n = 1..4 and over references of Σ min(h, r)·r / (|h|·|r|) · exp(-δ²/72), h and r being
    tf-idf vectors of n-grams, without stemming. δ is the difference in bigrams, as in the official program, where the
    paper has words.

    Vedantam et al., CIDEr: Consensus-based Image Description Evaluation, CVPR 2015.
    """
    hypothesis = _vectors(candidate, frequencies)
    similarities = [_similarity(hypothesis, _vectors(caption, frequencies)) for caption in references]
    return _SCALE * sum(similarities) / len(similarities)


def _ngrams(tokens: Sequence[str]) -> list[NGram]:
    return [
        tuple(tokens[start : start + order])
        for order in range(1, _ORDERS + 1)
        for start in range(len(tokens) - order + 1)
    ]


def _vectors(tokens: Sequence[str], frequencies: DocumentFrequencies) -> _Vectors:
    weights: tuple[dict[NGram, float], ...] = tuple({} for _ in range(_ORDERS))
    for ngram, count in Counter(_ngrams(tokens)).items():
        weights[len(ngram) - 1][ngram] = count * frequencies.weight(ngram)
    norms = tuple(math.hypot(*vector.values()) for vector in weights)
    return _Vectors(weights, norms, max(0, len(tokens) - 1))


def _similarity(hypothesis: _Vectors, reference: _Vectors) -> float:
    penalty = math.exp(-((hypothesis.bigrams - reference.bigrams) ** 2) / (2 * _SIGMA**2))
    cosines = map(_clipped_cosine, hypothesis.weights, reference.weights, hypothesis.norms, reference.norms)
    return penalty * sum(cosines) / _ORDERS


def _clipped_cosine(
    hypothesis: Mapping[NGram, float], reference: Mapping[NGram, float], norm: float, reference_norm: float
) -> float:
    # Without weight there is no direction: one image alone gives every n-gram the weight log 1.
    if not norm or not reference_norm:
        return 0.0
    shared = hypothesis.keys() & reference.keys()
    return sum(min(hypothesis[g], reference[g]) * reference[g] for g in sorted(shared)) / (
        norm * reference_norm
    )
