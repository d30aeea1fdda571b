"""The threshold of spectral energy at which a budget per image has the mean that other methods have."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robust_atp.backbones.seam import VisionTokens
from robust_atp.errors import UserError
from robust_atp.pruning.energy import SpectralEnergy


@dataclass(frozen=True)
class Spectrum:
    """What a threshold needs to know of one image."""

    shares: Tensor  # of the energy in the first 1, 2, … singular values, rising
    total: int  # N

    @classmethod
    def of(cls, tokens: Tensor, budget: SpectralEnergy) -> "Spectrum":
        """Measure tokens [N, D] as ``budget`` does."""
        return cls(budget.cumulative_share(tokens), len(tokens))


@dataclass(frozen=True)
class Calibration:
    """The threshold found, and the K of each image of the split that it was found on."""

    tau: float
    counts: tuple[int, ...]
    totals: tuple[int, ...]  # N of each image

    @property
    def mean_keep(self) -> float:
        """Share of all tokens that is kept."""
        return sum(self.counts) / sum(self.totals)

    @property
    def mean_count(self) -> float:
        """Mean of K, as near to the target as a threshold gets."""
        return sum(self.counts) / len(self.counts)

    @property
    def deviation(self) -> float:
        """Standard deviation of K from image to image; nan for one image."""
        return float(np.std(self.counts, ddof=1)) if len(self.counts) > 1 else float("nan")


def calibrate(images: Iterable[Tensor], mean_count: float, budget: SpectralEnergy) -> Calibration:
    """Find τ so that the mean of K over a held-out split is ``mean_count``, or as near as it gets.

    ``images`` are token matrices [N, D] of the kind that ``budget`` measures; its own ``tau`` is not looked at.
    The mean is a rising step function of τ. The result lies within a step, with as few decimals as there fit,
    because on an edge the last bit would decide. ``UserError`` for a target that clipping or rank put out of reach.
    """
    return calibrate_spectra([Spectrum.of(tokens, budget) for tokens in images], mean_count, budget)


def calibrate_spectra(spectra: Sequence[Spectrum], mean_count: float, budget: SpectralEnergy) -> Calibration:
    """``calibrate``, of images whose tokens need not be in memory together."""
    if not spectra:
        raise UserError("calibrating tau needs at least one image; got none")
    totals = tuple(image.total for image in spectra)

    def found(tau: float) -> Calibration:
        counts = tuple(budget.count(image.shares, tau, image.total) for image in spectra)
        return Calibration(tau, counts, totals)

    ends = spectra[0].shares.new_tensor([0.0, 1.0])
    edges = torch.cat([ends, *(image.shares for image in spectra)]).clamp(max=1).unique()
    steps = ((edges[:-1] + edges[1:]) / 2).tolist()
    low, high = found(steps[0]), found(steps[-1])
    if not low.mean_count <= mean_count <= high.mean_count:
        nearest = low if mean_count < low.mean_count else high
        raise UserError(
            f"mean_count must be between {low.mean_count:g} and {high.mean_count:g}; got {mean_count:g}, "
            f"nearest valid: {nearest.mean_count:g}"
        )
    above = bisect_right(steps, mean_count, key=lambda tau: found(tau).mean_count)
    beside = [found(tau) for tau in steps[max(above - 1, 0) : above + 1]]
    best = min(beside, key=lambda step: abs(step.mean_count - mean_count))
    rounded = (found(round(best.tau, decimals)) for decimals in range(2, 18))
    return next((short for short in rounded if short.counts == best.counts), best)


def calibrate_all(
    images: Iterable[VisionTokens], mean_keep: float, budgets: Mapping[str, SpectralEnergy]
) -> dict[str, Calibration]:
    """Calibrate several budgets, by name, on the same images, so that all keep the same share of the tokens.

    Images are looked at one by one and only their spectra are held. ``UserError`` names the budget that cannot.
    """
    spectra: dict[str, list[Spectrum]] = {name: [] for name in budgets}
    for image in images:
        for name, budget in budgets.items():
            spectra[name].append(Spectrum.of(budget.measured(image), budget))
    found = {}
    for name, budget in budgets.items():
        mean_total = sum(image.total for image in spectra[name]) / max(1, len(spectra[name]))
        try:
            found[name] = calibrate_spectra(spectra[name], mean_keep * mean_total, budget)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    return found
