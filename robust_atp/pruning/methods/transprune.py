"""TransPrune: keep what the layers change most and what the question attends to."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.pruning.budgets import Everything, truncated
from robust_atp.pruning.inside import InsideDecoder, Table
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of, within
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k

# Shares after the three cuts, at the average over 32 layers that they amount to: "Low" and "High".
_TABLE = Table(((0.3125, (0.5, 0.25, 0.0625)), (0.41015625, (0.875, 0.625, 0.125))))


@dataclass(frozen=True)
class TokenTransition:
    """TTV of a layer: ``Σ over attention and MLP of softmax_tokens(1 - d) · m``.

    ``m = ‖out‖ / ‖in‖`` and ``d = cos(out, in)``, residual connection left out. ``code`` takes the softmax over
    all tokens of the prompt, ``paper`` over its visual tokens, and |d|.
    """

    reading: str = "code"

    def __call__(self, magnitude: Tensor, cosine: Tensor, visual: Tensor) -> Tensor:
        """Score [T]; under the paper's reading text scores 0."""
        if self.reading == "code":
            return ((1 - cosine).softmax(-1) * magnitude).sum(0)
        scores = torch.zeros_like(magnitude[0])
        scores[visual] = ((1 - cosine[:, visual].abs()).softmax(-1) * magnitude[:, visual]).sum(0)
        return scores


@dataclass(frozen=True)
class TransitionAndInstruction:
    """Top K by ``α · T / ΣT + (1 - α) · I / ΣI`` over visual tokens.

    T is TTV summed over the layers watched so far, I the attention in the next layer, mean over heads and the
    tokens after the image.
    """

    alpha: float = 0.5

    def __call__(self, view: View, count: int) -> Survivors:
        """Score what is left."""
        transition = view.observed[view.visual]
        guidance = view.next_attention(view.text).mean((0, 1))[view.visual]
        score = self.alpha * transition / transition.sum() + (1 - self.alpha) * guidance / guidance.sum()
        return Survivors(top_k(score, count))


def transprune(alpha: float = 0.5, reading: str = "code", position_policy: str = "compacted") -> Method:
    """Cut after layers 7, 9 and 12 of 32 by token transition, summed from layer 7 on, and by attention.

    The nominal budget is the share of visual tokens averaged over 32 layers, 0.41 for TransPrune-High (7/8, 5/8
    and 1/8 stay, 1.56 TFLOPs) and 0.3125 for -Low (1/2, 1/4 and 1/16: our inference from its 1.19 TFLOPs, the
    supplement was not at hand), straight lines between. Counts are rounded down as in the code.

    - ``alpha`` 0.5 in [0, 1]: weight of the transition.
    - ``reading`` code | paper: see ``TokenTransition``. The code's softmax runs over everything in the batch;
      ours over one prompt, so that no answer depends on its neighbours.

    Both terms are made to sum to 1 first, as in the code.
    """
    within("alpha", alpha, 0, 1)
    one_of("reading", reading, ("code", "paper"))
    inside = InsideDecoder(
        (7, 9, 12),
        _TABLE,
        TransitionAndInstruction(alpha),
        observer=TokenTransition(reading),
        to_count=truncated,
    )
    return Method(
        "transprune",
        "inside the decoder, keeps what the layers change and the question attends to (TransPrune)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Li et al., TransPrune, CVPR 2026, arXiv:2507.20630",
    )
