"""FastV: after two layers, keep what the last prompt token attends to."""

from dataclasses import dataclass

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.inside import InsideDecoder, Powers
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import whole_within
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k


@dataclass(frozen=True)
class LastTokenAttention:
    """Top K by the attention of the prompt's last token in the layer just passed, mean over heads."""

    def __call__(self, view: View, count: int) -> Survivors:
        """``mean_h A[h, last, i]`` over visual tokens i."""
        last = len(view.hidden) - 1
        attention = view.attention(slice(last, last + 1))[:, 0, view.visual]  # [heads, n]
        return Survivors(top_k(attention.mean(0), count))


def fastv(layer: int = 2, position_policy: str = "original") -> Method:
    """Keep the top K once, after ``layer`` layers (the paper's K, 1..31 of 32; scaled to other depths).

    The nominal budget is the share that stays, 1 - R. The paper speaks of the average attention that a token
    receives, the code of all its authors' versions takes the last token's; so do we. The selection is made once,
    on the prompt, as in the version with a cache.
    """
    whole_within("layer", layer, 1, 31)
    inside = InsideDecoder((layer,), Powers(), LastTokenAttention())
    return Method(
        "fastv",
        "inside the decoder, keeps what the last prompt token attends to (FastV)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Chen et al., An Image is Worth 1/2 Tokens After Layer 2, ECCV 2024, arXiv:2403.06764",
    )
