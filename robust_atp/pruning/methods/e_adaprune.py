"""E-AdaPrune: a budget from spectral energy for any ranker."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from robust_atp.errors import UserError
from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.building import build_pruner, named
from robust_atp.pruning.energy import SpectralEnergy
from robust_atp.pruning.method import Method


def e_adaprune(
    ranker: str | Mapping[str, Any] = "cls-attention",
    tau: float | None = None,
    tokens: str = "projected",
    variant: str = "raw",
    exponent: int = 2,
    svd: str = "exact",
    rank: int = 256,
    k_min: int = 1,
    k_max: int | None = None,
    position_policy: str = "compacted",
) -> Method:
    """Let ``ranker`` choose as many tokens as the energy in the image's singular values asks for.

    Only the idea is public: a budget per image "from the singular value spectrum", "preserving a certain
    proportion of spectral energy", by randomised SVD, with existing methods. All else is our reading.

    - ``ranker`` cls-attention: any pruner with a fixed budget, as a study names it: ``atp``, or
      ``{name: atp, alpha: 0.25}``. Which ones the paper used is not known. A ranker that cuts inside the
      decoder takes K / N for its nominal budget, so that all its stages shrink together.
    - ``tau``: the share of energy to preserve. Without it ``keep`` is that share; with one from the command
      ``robust-atp calibrate``, whose mean K matches that of other arms, ``keep`` only names the arm.
    - ``tokens`` projected | tower, ``variant`` raw | centred | normalised, ``exponent`` 2 | 1, ``svd``
      exact | randomised, ``rank`` 256, ``k_min`` 1, ``k_max``: see ``SpectralEnergy``.
    - ``position_policy`` compacted | original: that of the ranker is not looked at.
    """
    name, options = named("ranker", ranker)
    method = build_pruner(name, options)
    energy = SpectralEnergy(tau, tokens, variant, exponent, svd, rank, k_min, k_max)
    inside = method.inside
    fixed = isinstance(method.budget, FixedRatio) if inside is None else inside.budget is None
    if method.trained or not fixed:
        raise UserError(f"ranker must be a pruner whose budget is fixed; '{name}' has one of its own")
    budget: dict[str, Any] = {"budget": energy}
    if inside is not None:
        budget = {"inside": replace(inside, budget=energy)}
    return replace(
        method,
        name="e-adaprune",
        summary=f"as many as spectral energy asks for, ranked by {name}",
        **budget,
        position_policy=position_policy,
        paper="He and Chen, Energy-Driven Adaptive Visual Token Pruning for Efficient Vision-Language Models, "
        "arXiv:2603.05950",
    )
