"""What makes a visual token important: one float32 number per token, larger is more important.

A score sees one image and at most one question, so that normalisation is per sample by construction; over
the batch it would make a result depend on who shares the batch.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """What a score may look at: one image's signals without the batch dimension, and the question."""

    grid: tuple[int, int]
    signals: Mapping[str, Tensor]
    text: Tensor | None = None  # [J], unit length
    seed: int = 0
    key: str = ""
    features: Tensor = field(default_factory=lambda: torch.empty(0, 0))  # [N, D], what the decoder reads
    project: Callable[[Tensor], Tensor] | None = None  # [..., C] -> [..., D], for merging

    @property
    def total(self) -> int:
        """Number of visual tokens N."""
        return self.grid[0] * self.grid[1]


class Score(Protocol):
    """Importance of the N tokens of one sample, float32 [N]."""

    @property
    def needs(self) -> frozenset[str]:
        """Signals that the backbone must provide."""

    @property
    def needs_text(self) -> bool:
        """Whether the score depends on the question."""

    @property
    def needs_key(self) -> bool:
        """Whether the score depends on seed and key."""

    def __call__(self, sample: Sample) -> Tensor:
        """Score one sample."""


@dataclass(frozen=True)
class Constant:
    """All tokens alike, for methods whose selection does not look at scores."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_text: ClassVar[bool] = False
    needs_key: ClassVar[bool] = False

    def __call__(self, sample: Sample) -> Tensor:
        """Zeros [N]."""
        return torch.zeros(sample.total)


@dataclass(frozen=True)
class Random:
    """Uniform numbers drawn from (seed, key) alone; the top K are a random subset, nested as K grows.

    Philox is a counter-based generator, and its raw 64-bit output is frozen across NumPy versions, unlike
    what ``Generator`` methods make of it.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_text: ClassVar[bool] = False
    needs_key: ClassVar[bool] = True

    def __call__(self, sample: Sample) -> Tensor:
        """Multiples of 2⁻²⁴ in [0, 1), which float32 holds exactly [N]."""
        digest = hashlib.blake2b(f"{sample.seed}\0{sample.key}".encode(), digest_size=16).digest()
        raw = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(sample.total)
        return torch.from_numpy((raw >> np.uint64(40)).astype(np.float32)) / 2**24


@dataclass(frozen=True)
class Attention:
    """Attention signal ``<kind>:<layer>``, mean over heads."""

    signal: str
    needs_text: ClassVar[bool] = False
    needs_key: ClassVar[bool] = False

    @property
    def needs(self) -> frozenset[str]:
        """The one signal."""
        return frozenset({self.signal})

    def __call__(self, sample: Sample) -> Tensor:
        """``mean_h A[h, i]`` [N]."""
        return sample.signals[self.signal].float().mean(0)


@dataclass(frozen=True)
class TextSimilarity:
    """Cosine of each patch with the question in CLIP's joint space, times ``sign``."""

    sign: int = 1
    needs: ClassVar[frozenset[str]] = frozenset({"joint_patches"})
    needs_text: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False

    def __call__(self, sample: Sample) -> Tensor:
        """Within [-1, 1] [N]."""
        assert sample.text is not None
        patches = sample.signals["joint_patches"].float()  # [N, J]
        return self.sign * (patches * sample.text.float().to(patches.device)).sum(-1)


@dataclass(frozen=True)
class WeightedSum:
    """``Σ w · normalise(score)`` over the parts whose weight is not zero; only those ask for signals."""

    parts: tuple[tuple[float, Score], ...]
    normalise: Callable[[Tensor], Tensor] = field(default_factory=lambda: min_max)

    @property
    def _active(self) -> list[tuple[float, Score]]:
        return [(weight, score) for weight, score in self.parts if weight != 0]

    @property
    def needs(self) -> frozenset[str]:
        """Union over the parts."""
        return frozenset().union(*(score.needs for _, score in self._active))

    @property
    def needs_text(self) -> bool:
        """Whether any part does."""
        return any(score.needs_text for _, score in self._active)

    @property
    def needs_key(self) -> bool:
        """Whether any part does."""
        return any(score.needs_key for _, score in self._active)

    def __call__(self, sample: Sample) -> Tensor:
        """Score one sample [N]."""
        return torch.stack([weight * self.normalise(score(sample)) for weight, score in self._active]).sum(0)


def min_max(scores: Tensor) -> Tensor:
    """``(s - min) / (max - min)``; zeros where all are equal."""
    low, high = scores.aminmax()
    # Not "if high > low", which takes nan for a constant and hides it.
    return torch.zeros_like(scores) if high == low else (scores - low) / (high - low)


def z_score(scores: Tensor) -> Tensor:
    """``(s - mean) / standard deviation``; zeros where all are equal."""
    if scores.max() == scores.min():
        return torch.zeros_like(scores)
    return (scores - scores.mean()) / scores.std(correction=0)


def unchanged(scores: Tensor) -> Tensor:
    """No normalisation: parts add up on their own scales."""
    return scores
