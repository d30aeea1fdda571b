"""What becomes of dropped tokens: their content goes into tokens that stay."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from robust_atp.pruning.scores import Sample


class Merging(Protocol):
    """Features [K, D] of the kept tokens, some of them mixed with dropped ones.

    Called only if something is dropped. A merging names the signals that it looks at in ``needs``.
    """

    @property
    def needs(self) -> frozenset[str]:
        """Signals that the backbone must provide."""

    def __call__(self, scores: Tensor, kept: Tensor, sample: Sample) -> Tensor:
        """Merge, given scores [N] and ascending kept positions [K]."""


@dataclass(frozen=True)
class GroupMean:
    """Each kept token becomes the mean of its group, as ``owner(sample, K)`` says: whose group token i is in.

    ``owner`` gives positions [N]; a kept token is in its own group. The mean is taken of what enters the
    projector, or with ``projected`` of what leaves it.
    """

    owner: Callable[[Sample, int], Tensor]
    projected: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The vision tower's output, if the mean is taken of that."""
        return frozenset() if self.projected else frozenset({"tower_features"})

    def __call__(self, scores: Tensor, kept: Tensor, sample: Sample) -> Tensor:
        """Merge [K, D]."""
        inside = (self.owner(sample, len(kept)).to(kept.device) == kept[:, None]).float()  # [K, N]
        changed = inside.sum(1) > 1
        inside = inside[changed]
        source = sample.features if self.projected else sample.signals["tower_features"]
        # A product, because scattered sums come in any order on a GPU.
        means = inside @ source.float() / inside.sum(1, keepdim=True)
        if not self.projected:
            return replaced(sample, kept, changed, means)
        features = sample.features[kept].clone()
        features[changed] = means.to(features.dtype)
        return features


def replaced(sample: Sample, kept: Tensor, changed: Tensor, tower: Tensor) -> Tensor:
    """Features [K, D] of ``kept``, of which those where ``changed`` [K] come from ``tower`` [changed, C].

    Mixtures of the vision tower's outputs are projected anew, because the projector is not linear;
    tokens that took nothing in stay what they are, to the last bit.
    """
    assert sample.project is not None  # whoever provides tower_features also projects
    features = sample.features[kept].clone()
    if changed.any():
        features[changed] = sample.project(tower).to(features.dtype)
    return features


def members(chosen: Tensor, total: int) -> Tensor:
    """Bool [N], true at positions ``chosen``."""
    return torch.zeros(total, dtype=torch.bool, device=chosen.device).index_fill(0, chosen, True)
