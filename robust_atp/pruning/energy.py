"""A budget from the spectrum: images whose tokens span more directions keep more of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.backbones.seam import VisionTokens
from robust_atp.errors import UserError
from robust_atp.pruning.options import one_of, whole_within, within
from robust_atp.pruning.scores import Sample

_POWER_ITERATIONS = 2


@dataclass(frozen=True)
class SpectralEnergy:
    """``K = min{k : Σ_{i≤k} σ_i² ≥ τ Σ_i σ_i²}`` over the singular values of the token matrix [N, D].

    - ``tau`` in [0, 1], or None for the study's ``keep``, which then is a share of energy, not of tokens. With
      a τ of its own, calibrated to a mean of K, a budget does not look at ``keep``. A share of 1, and
      ``keep`` 1 in any case, is the unpruned model, whatever the rank.
    - ``tokens`` projected | tower: after or before the projector.
    - ``variant`` raw | centred | normalised: as they are, minus their mean, or at unit length.
    - ``exponent`` 2 | 1: energy is σ², or σ (only for exact values: the total must be known).
    - ``svd`` exact | randomised: all values, or the ``rank`` largest by a randomised range finder with two power
      iterations (Halko et al., 2011). The total is ``||X||_F²`` either way; a share that ``rank`` values do not
      reach gives K = ``rank``. The random numbers are the same for every image.
    - ``k_min``, ``k_max``: K is clipped to them, and to N.

    A matrix without energy (equal tokens, centred) has K = ``k_min``.
    """

    tau: float | None = None
    tokens: str = "projected"
    variant: str = "raw"
    exponent: int = 2
    svd: str = "exact"
    rank: int = 256
    k_min: int = 1
    k_max: int | None = None

    def __post_init__(self) -> None:
        if self.tau is not None:
            within("tau", self.tau, 0, 1)
        one_of("tokens", self.tokens, ("projected", "tower"))
        one_of("variant", self.variant, ("raw", "centred", "normalised"))
        one_of("exponent", self.exponent, (2, 1))
        one_of("svd", self.svd, ("exact", "randomised"))
        whole_within("rank", self.rank, 1, 65536)
        whole_within("k_min", self.k_min, 1, 65536)
        if self.k_max is not None:
            whole_within("k_max", self.k_max, self.k_min, 65536)
        if self.exponent == 1 and self.svd == "randomised":
            raise UserError(
                "exponent 1 needs the sum of all singular values: svd must be exact; got randomised"
            )

    @property
    def needs(self) -> frozenset[str]:
        """The vision tower's output, if energy is measured there."""
        return frozenset({"tower_features"}) if self.tokens == "tower" else frozenset()

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return K of this sample."""
        assert sample is not None
        if keep == 1:
            return sample.total
        shares = self.cumulative_share(self.measured(sample))
        return self.count(shares, keep if self.tau is None else self.tau, sample.total)

    def measured(self, image: Sample | VisionTokens) -> Tensor:
        """The token matrix of an image whose energy is looked at [N, D]."""
        return image.signals["tower_features"] if self.tokens == "tower" else image.features

    def cumulative_share(self, tokens: Tensor) -> Tensor:
        """Share of the energy in the first 1, 2, … singular values of tokens [N, D], float64."""
        matrix = tokens.double()
        if self.variant == "centred":
            matrix = matrix - matrix.mean(0)
        if self.variant == "normalised":
            matrix = torch.nn.functional.normalize(matrix, dim=1)
        squares = squared_singular_values(matrix, self.rank if self.svd == "randomised" else None)
        energies = squares if self.exponent == 2 else squares.sqrt()
        total = matrix.square().sum() if self.exponent == 2 else energies.sum()
        return energies.cumsum(0) / total if total > 0 else torch.ones_like(energies)

    def count(self, shares: Tensor, tau: float, total: int) -> int:
        """K of N tokens from ``cumulative_share`` and τ."""
        if tau == 1:
            return total
        first = int(torch.searchsorted(shares, tau)) + 1
        highest = total if self.k_max is None else min(self.k_max, total)
        return min(max(min(first, len(shares)), self.k_min), highest)


def squared_singular_values(matrix: Tensor, rank: int | None = None) -> Tensor:
    """σ² of a float64 matrix in descending order; with ``rank`` only about the so many largest."""
    if rank is not None and rank < min(matrix.shape):
        # A generator of its own: the global one belongs to others.
        start = torch.randn(
            matrix.shape[1], rank, generator=torch.Generator().manual_seed(0), dtype=matrix.dtype
        )
        basis, _ = torch.linalg.qr(matrix @ start.to(matrix.device))
        for _ in range(_POWER_ITERATIONS):
            basis, _ = torch.linalg.qr(matrix @ (matrix.T @ basis))
        matrix = basis.T @ matrix
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
