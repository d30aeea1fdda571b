"""SparseVLM: words that the image speaks to rate the visual tokens; part of what is dropped is recycled."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.clustering import density_peaks
from robust_atp.pruning.inside import InsideDecoder, Table
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import ranked, top_k

# What is left of 576 tokens after each cut, recycled ones included, at the paper's nominal budgets.
_PUBLISHED = {64: (82, 32, 18), 96: (249, 55, 27), 128: (312, 117, 39), 192: (309, 204, 113)}
_TABLE = Table(
    tuple((budget / 576, tuple(count / 576 for count in counts)) for budget, counts in _PUBLISHED.items())
)


@dataclass(frozen=True)
class RatedByText:
    """Top k by the attention of the text's raters in the layer just passed, mean over heads and raters.

    Raters are the text tokens after the image that hold more than the average of
    ``mean_v softmax_text(V · Tᵀ)``, V and T being the embeddings that entered the decoder; if none does, all of
    them. With ``recycle``, 30 % of what is dropped, best first, is clustered into a tenth as many new tokens,
    plus one, each the mean of its cluster.
    """

    recycle: bool = True

    def __call__(self, view: View, count: int) -> Survivors:
        """Choose k tokens and make m new ones, k + m = ``count``."""
        attention = view.attention(view.text)[:, raters(view)]  # [heads, R, T]
        scores = attention.mean((0, 1))[view.visual]  # [n]
        total = len(scores)
        kept = _largest_kept(total, count) if self.recycle else count
        indices = top_k(scores, kept)
        if kept == count:
            return Survivors(indices)
        pool = ranked(scores)[kept : kept + _recycled(total - kept)].sort().values
        states = view.hidden[view.visual][pool]
        centres, member_of = density_peaks(states, count - kept)
        inside = torch.nn.functional.one_hot(member_of, len(centres)).T.float()  # [m, pool]
        means = inside @ states.float() / inside.sum(1, keepdim=True)
        return Survivors(indices, means.to(states.dtype), pool[centres])


def raters(view: View) -> Tensor:
    """Which tokens after the image rate: indices [R] among them."""
    visual, text = view.prompt[view.prompt_visual].float(), view.prompt[view.prompt_image.stop :].float()
    relevance = (visual @ text.T).softmax(-1).mean(0)  # [text]
    chosen = relevance > relevance.mean()
    return (chosen if chosen.any() else ~chosen).nonzero()[:, 0]


def _recycled(dropped: int) -> int:
    return dropped * 3 // 10


def _merged(dropped: int) -> int:
    recycled = _recycled(dropped)
    return recycled // 10 + 1 if recycled else 0


def _largest_kept(total: int, count: int) -> int:
    """Largest k from 1 with k + m(total - k) within ``count``; half of it where there are too many new ones."""
    fitting = [kept for kept in range(1, count + 1) if kept + _merged(total - kept) <= count]
    return max(fitting, default=(count + 1) // 2)


def sparsevlm(recycle: bool = True, position_policy: str = "compacted") -> Method:
    """Cut after layers 3, 7 and 16 of 32; the nominal budget is the paper's 64..192 of 576.

    The published counts (192: 300, 200, 110; 128: 303, 110, 36; 96: 238, 48, 26; 64: 66, 30, 17, each plus the
    recycled tokens) come out exactly at ``keep`` = budget / 576, straight lines lie between them. "64" makes the
    layers process 82.3 tokens on average, "192" 206.5.

    ``recycle`` merges part of what is dropped into new tokens behind the kept ones. The paper computes the counts
    from the rank of the attention matrix; its code has the fixed table, which we follow.
    """
    one_of("recycle", recycle, (True, False))
    inside = InsideDecoder((3, 7, 16), _TABLE, RatedByText(recycle))
    return Method(
        "sparsevlm",
        "inside the decoder, keeps what the words that the image speaks to attend to (SparseVLM)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Zhang et al., SparseVLM, ICML 2025, arXiv:2410.04417",
    )
