"""PyramidDrop: the same share goes on at three depths, by the last prompt token's attention in the next layer."""

from dataclasses import dataclass

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.pruning.budgets import Everything, truncated
from robust_atp.pruning.inside import InsideDecoder, Powers
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k


@dataclass(frozen=True)
class NextLayerAttention:
    """Top K by the attention that the prompt's last token would pay in the next layer, mean over heads."""

    def __call__(self, view: View, count: int) -> Survivors:
        """``mean_h A_next[h, last, i]`` over visual tokens i."""
        last = len(view.hidden) - 1
        attention = view.next_attention(slice(last, last + 1))[:, 0, view.visual]  # [heads, n]
        return Survivors(top_k(attention.mean(0), count))


def pyramiddrop(position_policy: str = "compacted") -> Method:
    """Keep the share λ of what is left after layers 8, 16 and 24 of 32; the nominal budget is λ, in the paper 0.5.

    After three cuts λ, λ², λ³ of the tokens are left, rounded down as in the code; λ = 0.5 averages 270 of 576.
    Positions are renumbered at every cut, so that a token has different position ids in different layers.
    """
    inside = InsideDecoder((8, 16, 24), Powers(3), NextLayerAttention(), to_count=truncated)
    return Method(
        "pyramiddrop",
        "inside the decoder, the same share goes on at three depths (PyramidDrop)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Xing et al., PyramidDrop, CVPR 2025, arXiv:2410.17247",
    )
