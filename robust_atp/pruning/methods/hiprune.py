"""HiPrune: anchors of a middle layer, their neighbours, and registers of a late one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.pruning.budgets import rounded
from robust_atp.pruning.merging import members
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of, within
from robust_atp.pruning.scores import Attention, Sample
from robust_atp.pruning.selection import ranked

_DEPTHS = tuple(f"{eighth}/8" for eighth in range(1, 8))


def hiprune(
    alpha: float = 0.1, layer: str = "3/8", wrap: bool = False, position_policy: str = "compacted"
) -> Method:
    """Keep anchors with their four neighbours, and fill up to K with registers.

    Anchors are the round(α · K / 5) tokens that receive most attention (mean over heads and queries) in a
    middle layer; registers those of the rest that receive most in the layer whose output is projected.

    - ``alpha`` 0.1 in [0, 1]: the share of K for anchors and their neighbours.
    - ``layer`` 3/8, from 1/8 to 7/8: the middle layer as a fraction of the depth, the ninth of 24 as in the
      paper, or the third of 8.
    - ``wrap`` false | true: as in the released code, left and right neighbours are the tokens before and
      after in raster order, across the ends of rows, and what is off the grid counts as the first or last
      token.
    - ``position_policy`` compacted | original: the released LLaVA code renumbers, that for Qwen2.5-VL not.

    Halves round up (the released code rounds them to even). If anchors and neighbours are more than K, as at
    α near 1, neighbours of the weaker anchors are left out.
    """
    within("alpha", alpha, 0, 1)
    one_of("layer", layer, _DEPTHS)
    one_of("wrap", wrap, (False, True))
    return Method(
        "hiprune",
        "keeps what receives attention in a middle layer, its neighbours, and what does in a late layer",
        Attention("received_attention:projected"),
        selection=AnchorsAndRegisters(alpha, layer, wrap),
        needs_grid=True,
        position_policy=position_policy,
        paper="Liu et al., HiPrune: Training-Free Visual Token Pruning via Hierarchical Attention in "
        "Vision-Language Models, AAAI 2026, arXiv:2508.00553",
    )


@dataclass(frozen=True)
class AnchorsAndRegisters:
    """The selection of HiPrune."""

    alpha: float
    layer: str
    wrap: bool

    @property
    def needs(self) -> frozenset[str]:
        """Attention received in the middle layer."""
        return frozenset({f"received_attention:{self.layer}"})

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]."""
        middle = Attention(f"received_attention:{self.layer}")(sample)
        anchors = ranked(middle)[: rounded(self.alpha / 5, count)].tolist()
        around = [place for anchor in anchors for place in self._neighbours(anchor, sample.grid)]
        chosen = torch.tensor(list(dict.fromkeys(anchors + around))[:count], dtype=torch.long)
        chosen = chosen.to(scores.device)
        left = ranked(scores)
        left = left[~members(chosen, sample.total)[left]]
        return torch.cat([chosen, left[: count - len(chosen)]]).sort().values

    def _neighbours(self, place: int, grid: tuple[int, int]) -> list[int]:
        rows, columns = grid
        if self.wrap:
            last = rows * columns - 1
            return [min(max(place + step, 0), last) for step in (-1, 1, -columns, columns)]
        row, column = divmod(place, columns)
        steps = ((row, column - 1), (row, column + 1), (row - 1, column), (row + 1, column))
        return [r * columns + c for r, c in steps if 0 <= r < rows and 0 <= c < columns]
