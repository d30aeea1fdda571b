"""What becomes of dropped tokens: their content goes into tokens that stay."""

from typing import Protocol

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
