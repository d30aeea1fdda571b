"""How many visual tokens of a sample stay."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Protocol

import torch
from torch import Tensor

from robust_atp.pruning.scores import Sample


class Budget(Protocol):
    """Number of tokens K in 1..N, from the scores [N], the nominal share ``keep`` in (0, 1] and the sample.

    A budget that looks at signals names them in an attribute ``needs``.
    """

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return K."""


def rounded(share: float, total: int) -> int:
    """Round ``share · total``, halves up, on the decimal that the study file shows.

    Binary floats would make it 0.145 · 100 = 14.499… → 14, and Python's ``round`` 0.5 · 5 → 2.
    """
    return _whole(share, total, ROUND_HALF_UP)


def truncated(share: float, total: int) -> int:
    """Whole part of ``share · total`` for a share from 0, on the same decimal: 0.29 · 100 = 29, not 28."""
    return _whole(share, total, ROUND_FLOOR)


def _whole(share: float, total: int, rounding: str) -> int:
    return int((Decimal(repr(float(share))) * total).quantize(Decimal(1), rounding=rounding))


@dataclass(frozen=True)
class Everything:
    """K = N whatever ``keep`` says: the unpruned model."""

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return N."""
        return len(scores)


@dataclass(frozen=True)
class FixedRatio:
    """K = max(1, round(keep · N)), halves up."""

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return K, the same for every image."""
        return self.count(keep, len(scores))

    @staticmethod
    def count(keep: float, total: int) -> int:
        """K of ``total`` tokens."""
        return max(1, rounded(keep, total))


@dataclass(frozen=True)
class CumulativeMass:
    """K = min{k : Σ_{i≤k} sort(softmax(s / temperature))_i ≥ keep}: ``keep`` is a share of mass, K varies.

    Our extension, not in the ATP paper, which calls itself adaptive but only describes top-K with a given K.
    """

    temperature: float = 0.1

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return K of this sample."""
        mass = (scores.double() / self.temperature).softmax(0).sort(descending=True).values.cumsum(0)
        return min(int(torch.searchsorted(mass, keep)) + 1, len(scores))
