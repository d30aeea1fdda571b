"""HeatViT's token selector: how likely each patch is to be kept, learned."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from robust_atp.backbones.flops import TowerShape


class TokenSelector(nn.Module):
    """Scores patches between two layers of a vision tower with H heads of width d = D / H.

    For head i, with the patch's channels x_i of that head and the mean taken over patches that are left::

        E_i = GELU(Linear_{d → d/2}(LayerNorm(x_i)))
        s_i = softmax(MLP_{d → d/2 → d/4 → 2}([E_i ; mean E_i]))         keep, drop
        a   = sigmoid(Linear_{H → H}(GELU(Linear_{H → H}(x̄))))           x̄: channel mean of each head
        S   = Σ_i a_i · s_i / Σ_i a_i

    All heads share one MLP. The paper does not say how wide the branch of ``a`` is; H, as in its
    re-implementation on an FPGA.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        d = width // heads
        self.norm = nn.LayerNorm(d)
        self.embed = nn.Linear(d, d // 2)
        self.classify = nn.Sequential(
            nn.Linear(d // 2 * 2, d // 2),
            nn.GELU(),
            nn.Linear(d // 2, d // 4),
            nn.GELU(),
            nn.Linear(d // 4, 2),
        )
        self.weigh = nn.Sequential(nn.Linear(heads, heads), nn.GELU(), nn.Linear(heads, heads), nn.Sigmoid())

    def forward(self, patches: Tensor, left: Tensor) -> Tensor:
        """Probability of being kept, float32 [..., n], of patches [..., n, D].

        ``left`` [..., n] is 1 for patches that count in the mean and 0 for those that were dropped before.
        """
        by_head = patches.float().unflatten(-1, (self.heads, -1))  # [..., n, H, d]
        local = nn.functional.gelu(self.embed(self.norm(by_head)))  # [..., n, H, d/2]
        mass = left[..., None, None]
        overall = (mass * local).sum(-3, keepdim=True) / mass.sum(-3, keepdim=True)  # [..., 1, H, d/2]
        logits = self.classify(torch.cat([local, overall.expand_as(local)], -1))  # [..., n, H, 2]
        keep = logits.softmax(-1)[..., 0]  # [..., n, H]
        attention = self.weigh(by_head.mean(-1))  # [..., n, H]
        return (attention * keep).sum(-1) / attention.sum(-1)


def build_selectors(tower: TowerShape, depths: Iterable[int]) -> nn.ModuleDict:
    """Untrained selectors for a tower, by the layers passed at each cut."""
    return nn.ModuleDict({str(depth): TokenSelector(tower.attention, tower.heads) for depth in depths})
