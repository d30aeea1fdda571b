"""Prompts on their way through a frozen phantom in which tokens fade instead of leaving, so that gradients pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from robust_atp.phantom.training.language import prefix_ids
from robust_atp.phantom.training.lessons import QUESTION_LENGTH
from robust_atp.pruning.learned_thresholds import (
    ThresholdHead,
    attention_from_text,
    attention_from_vision,
    margins,
    spatial_scores,
)


@dataclass(frozen=True)
class SoftMask:
    """Which visual tokens are left: a soft decision for attention, a hard one for what inference would count."""

    log: Tensor  # [B, N] logarithm of the soft mask, product over the cuts so far
    alive: Tensor  # bool [B, N]

    def tightened(self, margin: Tensor, temperature: float) -> "SoftMask":
        """Return the mask after one more cut; at least one token stays alive.

        ``max(sigmoid((S_red - θ_r) t), sigmoid((S_spat - θ_s) t)) = sigmoid(margin t)``.
        """
        best = margin.masked_fill(~self.alive, -torch.inf).argmax(1, keepdim=True)
        alive = (self.alive & (margin > 0)).scatter(1, best, True)
        return SoftMask(self.log + F.logsigmoid(temperature * margin), alive)

    @property
    def count(self) -> Tensor:
        """Number of tokens alive [B], with the gradient of the sum of the soft mask.

        The soft sum itself is no target: many tokens far below a threshold add up to tokens that nobody keeps.
        """
        soft = self.log.exp().sum(1)
        return self.alive.sum(1) + (soft - soft.detach())

    def bias(self, before: int, after: int) -> Tensor:
        """What to add to attention logits [B, 1, T, T], with so much text before and after the image.

        Causal; the mask multiplies attention to each visual token before normalisation, but for its own, as in
        DynamicViT: a row of zeros has no softmax.
        """
        column = F.pad(self.log, (before, after))[:, None]  # [B, 1, T]
        length = column.shape[-1]
        future = torch.full((length, length), torch.finfo(column.dtype).min, device=column.device).triu(1)
        itself = torch.eye(length, dtype=torch.bool, device=column.device)
        return (future + column.masked_fill(itself, 0.0))[:, None]


@dataclass(frozen=True)
class Faded:
    """What the decoder made of B prompts, and how many visual tokens each layer would have seen of them."""

    logits: Tensor  # [B, 2, V] at the last question token and at the answer
    tokens_per_layer: Tensor  # [B, layers]


def forward(
    llava: LlavaForConditionalGeneration,
    heads: Mapping[int, ThresholdHead],
    features: Tensor,
    tokens: Tensor,
    length: Tensor,
    temperature: float,
) -> Faded:
    """Pass ``features`` [B, N, C] with questions and answers ``tokens`` [B, QUESTION_LENGTH] through the decoder.

    ``length`` [B] is that of the questions alone: in inference nothing else of the text exists when thresholds
    are compared. ``llava`` must run eager attention, which is the one that hands out its weights. Scores are
    constants to the gradient, thresholds are not; positions are the original ones.
    """
    decoder: Any = llava.model.language_model
    before, total = len(prefix_ids()), features.shape[1]
    visual = slice(before, before + total)
    text = slice(visual.stop, visual.stop + QUESTION_LENGTH)
    hidden = _prompts(llava, features, tokens)  # [B, T, D]
    rotary = decoder.rotary_emb(hidden, torch.arange(hidden.shape[1], device=hidden.device)[None])
    side = int(total**0.5)
    spatial = spatial_scores(torch.arange(total, device=hidden.device), (side, side))
    asked = torch.arange(QUESTION_LENGTH, device=hidden.device) < length[:, None]  # [B, R]
    mask = SoftMask(hidden.new_zeros(features.shape[:2]), spatial.new_ones(features.shape[:2]).bool())
    counts = []
    for depth, layer in enumerate(decoder.layers, 1):
        counts.append(mask.count)
        hidden, attention = _with_attention(layer, hidden, mask.bias(before, QUESTION_LENGTH), rotary)
        if depth in heads:
            among = attention_from_vision(attention[:, visual, visual], mask.alive)
            asking = attention_from_text(attention[:, text, visual], asked)
            margin = margins(heads[depth], among, asking, spatial, mask.alive)
            mask = mask.tightened(margin, temperature)
    where = torch.stack([length - 1, length], -1)[..., None].expand(-1, -1, hidden.shape[-1])
    last = decoder.norm(hidden[:, text].gather(1, where))
    return Faded(llava.lm_head(last), torch.stack(counts, 1))


def _prompts(llava: LlavaForConditionalGeneration, features: Tensor, tokens: Tensor) -> Tensor:
    """Embeddings of whole prompts [B, T, D]."""
    embed = llava.get_input_embeddings()
    start = embed(prefix_ids().to(tokens.device)).expand(len(tokens), -1, -1)
    return torch.cat([start, llava.model.multi_modal_projector(features), embed(tokens)], 1)


def _with_attention(
    layer: Any, hidden: Tensor, bias: Tensor, rotary: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Output of a layer [B, T, D] and its attention, mean over heads, without gradient [B, T, T]."""
    seen: list[Tensor] = []
    handle = layer.self_attn.register_forward_hook(lambda _, inputs, output: seen.append(output[1]))
    try:
        hidden = layer(hidden, attention_mask=bias, position_embeddings=rotary)
    finally:
        handle.remove()
    return hidden, seen[0].detach().float().mean(1)
