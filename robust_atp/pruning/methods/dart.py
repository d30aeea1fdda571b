"""DART: keep a few pivots and, for each of them, the tokens least like it."""

from dataclasses import dataclass

import torch

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.inside import InsideDecoder, Powers
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import whole_within
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k


@dataclass(frozen=True)
class LeastDuplicated:
    """Pivots are the tokens whose keys have the largest L1 norm; visual ones stay.

    Then each pivot in turn, visual ones first, in order of position, takes from what is left the tokens of
    lowest cosine with it, after the decoder's final norm. Shares of the pivots differ by at most one.
    """

    visual_pivots: int = 4
    text_pivots: int = 4

    def __call__(self, view: View, count: int) -> Survivors:
        """Choose exactly ``count``."""
        norms = view.keys.float().abs().sum((0, 2))  # [T]
        states = torch.nn.functional.normalize(
            view.decoder.get_submodule("norm")(view.hidden).float(), dim=-1
        )
        visual = states[view.visual]
        kept = top_k(norms[view.visual], min(self.visual_pivots, count))
        text = norms[view.text]
        pivots = torch.cat([visual[kept], states[view.text][top_k(text, min(self.text_pivots, len(text)))]])
        left = torch.ones(len(visual), dtype=torch.bool, device=visual.device)
        left[kept] = False
        for pivot, share in zip(pivots, _even_shares(count - len(kept), len(pivots)), strict=True):
            candidates = left.nonzero()[:, 0]
            left[candidates[top_k(-(visual[candidates] @ pivot), share)]] = False
        return Survivors((~left).nonzero()[:, 0])


def _even_shares(total: int, parts: int) -> list[int]:
    """Split ``total`` into whole shares, larger ones first."""
    return [total // parts + (number < total % parts) for number in range(parts)]


def dart(
    layer: int = 2, visual_pivots: int = 4, text_pivots: int = 4, position_policy: str = "original"
) -> Method:
    """Cut once, after ``layer`` layers of 32; the nominal budget is the share that stays.

    The code goes through the pivots in the order of a Python set and drops the remainder of K / pivots; we go
    in order of position and give the remainder to the first pivots, so that K is met.
    """
    whole_within("layer", layer, 1, 31)
    whole_within("visual_pivots", visual_pivots, 1, 576)
    whole_within("text_pivots", text_pivots, 0, 576)
    inside = InsideDecoder((layer,), Powers(), LeastDuplicated(visual_pivots, text_pivots))
    return Method(
        "dart",
        "inside the decoder, keeps the tokens least like a few pivots (DART)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Wen et al., Stop Looking for Important Tokens in MLLMs: Duplication Matters More, EMNLP 2025",
    )
