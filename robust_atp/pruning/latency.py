"""What a share of tokens costs downstream of each cut: HeatViT's latency table."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.backbones.flops import DecoderShape, TowerShape, flops_of_layers

_STEPS = 20  # shares that a counted table holds


@dataclass(frozen=True)
class LatencyTable:
    """Latency of the layers behind cut i and before cut i + 1, at ascending shares of patches: [S, R].

    The paper measures the table on its FPGA and does not print it. Any unit does: only ratios to the unpruned
    model's latency, the last column's, are used.
    """

    shares: tuple[float, ...]  # R, from 0 to 1
    latency: tuple[tuple[float, ...], ...]  # S × R

    @classmethod
    def counted(cls, tower: TowerShape, decoder: DecoderShape, depths: Sequence[int]) -> "LatencyTable":
        """Table in floating-point operations, for want of a device: the decoder's layers follow the last cut, too."""
        shares = tuple(step / _STEPS for step in range(_STEPS + 1))
        tokens = [share * tower.patches for share in shares]
        rows = []
        for number, depth in enumerate(depths):
            last = number == len(depths) - 1
            layers = (tower.layers if last else depths[number + 1]) - depth
            latency = [flops_of_layers([n] * layers, tower.weights, tower.attention) for n in tokens]
            if last:
                behind = [2 * n * tower.projector + decoder.flops([n] * decoder.layers) for n in tokens]
                latency = [inside + more for inside, more in zip(latency, behind, strict=True)]
            rows.append(tuple(latency))
        return cls(shares, tuple(rows))

    def __call__(self, shares: Tensor) -> Tensor:
        """Latency at the given shares behind each cut [S], of the unpruned model's; straight lines between entries."""
        known = torch.tensor(self.shares, device=shares.device)
        latency = torch.tensor(self.latency, device=shares.device)  # [S, R]
        above = torch.searchsorted(known, shares.detach().contiguous()).clamp(1, len(known) - 1)
        rows = torch.arange(len(latency), device=shares.device)
        low, high = latency[rows, above - 1], latency[rows, above]
        weight = (shares - known[above - 1]) / (known[above] - known[above - 1])
        return (low + weight * (high - low)).sum() / latency[:, -1].sum()

    def largest_shares(self, target: float) -> tuple[float, ...]:
        """Largest ``b, b², …, b^S`` whose latency is at most ``target`` of the unpruned model's, to three decimals."""
        stages = torch.arange(1, len(self.latency) + 1)
        for thousandth in range(1000, 0, -1):
            shares = (thousandth / 1000) ** stages
            if self(shares) <= target:
                return tuple(shares.tolist())
        return (0.0,) * len(self.latency)
