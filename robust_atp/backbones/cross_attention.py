"""The language model of a Flamingo: looks at the image by gated cross-attention, answers greedily, is read out."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from robust_atp.backbones.flops import DecoderShape, linear_weights
from robust_atp.backbones.greedy import Continuations, pick_likeliest
from robust_atp.backbones.language import TOKENS_PER_PASS
from robust_atp.backbones.layout import passes
from robust_atp.backbones.seam import Answer, KeptTokens
from robust_atp.backbones.words import Words


@dataclass(frozen=True)
class SeeingPrompt:
    """A prompt whose tokens see an image from one of them on."""

    ids: tuple[int, ...]
    sees_from: int  # place of the first token that sees the image: its placeholder
    image: Tensor  # [K, C] what cross-attention reads; K may differ between prompts


def decode_seeing(
    model: Any, prompts: Sequence[SeeingPrompt], end_ids: Set[int], max_new_tokens: int
) -> Continuations:
    """Prefill B prompts, then pick the likeliest token until the end. ``model`` is an ``IdeficsForVisionText2Text``.

    Idefics masks whole images only. So every visual token is handed over as an image of one token, and the mask of
    images tells what is there from the padding of smaller images.
    """
    images = pad_sequence([p.image for p in prompts], batch_first=True)  # [B, K, C]
    there = pad_sequence(
        [p.image.new_ones(len(p.image), dtype=torch.bool) for p in prompts], batch_first=True
    )
    # Without a resampler the decoder reads what it calls embeddings of the image encoder.
    name = "perceiver_embeddings" if model.config.use_resampler else "image_encoder_embeddings"
    cache = DynamicCache(config=model.config)

    def forward(ids: Tensor, positions: Tensor, mask: Tensor, sees: Tensor) -> Tensor:
        """Next logits [B, V] after tokens [B, T], which see the image or not [B, T]; the cache grows in place."""
        output = model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            image_attention_mask=sees[:, :, None] & there[:, None],  # [B, T, K]
            logits_to_keep=1,
            **{name: images[:, :, None]},
        )
        return output.logits[:, -1].float()

    ids, places, mask = _pad_left(prompts, images.device)  # [B, T] each
    sees_from = torch.tensor([p.sees_from for p in prompts], device=images.device)
    logits = forward(ids, places.clamp(min=0), mask, places >= sees_from[:, None])
    first_logprobs = logits.log_softmax(-1)
    position = places[:, -1:]

    def step(tokens: Tensor) -> Tensor:
        nonlocal position, mask
        position = position + 1
        mask = torch.cat([mask, mask.new_ones(len(tokens), 1)], 1)
        return forward(tokens[:, None], position, mask, torch.ones_like(position, dtype=torch.bool))

    return Continuations(pick_likeliest(logits, step, end_ids, max_new_tokens), first_logprobs)


class CrossAttending:
    """A decoder that reads visual tokens in layers of their own, gated cross-attention, and not among its text."""

    def __init__(self, model: Any, words: Words) -> None:
        """``model`` is an ``IdeficsForVisionText2Text``."""
        self.model = model
        self.words = words

    @cached_property
    def shape(self) -> "CrossAttendingShape":
        """What decides the prefill cost."""
        return CrossAttendingShape.of(self.model.model)

    @torch.inference_mode()
    def answer(self, kept: KeptTokens, questions: Sequence[str], task: str) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens, after those off the grid."""
        prompts, limit = self.words.tokenize(questions, task), self.words.asking[task].max_new_tokens
        answers: list[Answer] = []
        for rows in passes(kept, prompts, limit, TOKENS_PER_PASS):
            batch = []
            for q in rows:
                before, after, beside = prompts[q].before, prompts[q].after, kept.off_grid[q]
                image = kept.features[q] if beside is None else torch.cat([beside, kept.features[q]])
                ids = (*before, self.words.image.id, *after)
                batch.append(SeeingPrompt(ids, len(before), image))
            result = decode_seeing(self.model, batch, self.words.end_ids, limit)
            costs = [self.shape.prefill(len(prompt.ids), len(prompt.image)) for prompt in batch]
            answers += self.words.read_out(result, costs)
        return answers


@dataclass(frozen=True)
class CrossAttendingShape:
    """What decides the prefill cost of a decoder with gated cross-attention layers between its own."""

    own: DecoderShape
    cross_layers: int
    text_weights: int
    """Weights of one cross-attention layer that the text passes through: query, output and MLP."""
    read_weights: int
    """Weights of one cross-attention layer that visual tokens pass through: key and value."""

    @classmethod
    def of(cls, decoder: Any) -> "CrossAttendingShape":
        """Read the shape off an ``IdeficsModel``."""
        crossing = decoder.gated_cross_attn_layers
        count = len(crossing)
        parts = [part for layer in crossing for part in (layer.cross_attn.k_proj, layer.cross_attn.v_proj)]
        read = linear_weights(parts)
        return cls(DecoderShape.of(decoder), count, (linear_weights(crossing) - read) // count, read // count)

    @property
    def layers(self) -> int:
        """Layers of the decoder's own."""
        return self.own.layers

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Operations on visual tokens alone, all the same number k: ``2 k W_read`` for each cross-attention layer."""
        return self.prefill(0, tokens_per_layer[0])

    def prefill(self, text: float, visual: float) -> float:
        """Operations of a prefill of n ``text`` tokens that look at k ``visual`` ones.

        The own layers' as a ``DecoderShape``, and ``2 n W_text + 2 k W_read + 4 n k a`` for each cross-attention
        layer, a being heads × head_dim. Text in front of the image, which sees none, is counted like the rest:
        it is computed and then discarded.
        """
        cross = 2.0 * text * self.text_weights + 2.0 * visual * self.read_weights
        cross += 4.0 * text * visual * self.own.attention
        return self.own.flops([text] * self.own.layers) + self.cross_layers * cross


def _pad_left(prompts: Sequence[SeeingPrompt], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, places (negative in the padding) and mask of prompts of different lengths, [B, T] each."""
    rows = [torch.tensor(p.ids, device=device) for p in prompts]
    ids = pad_sequence(rows, batch_first=True, padding_side="left")
    lengths = torch.tensor([len(row) for row in rows], device=device)[:, None]
    places = torch.arange(ids.shape[1], device=device) - (ids.shape[1] - lengths)
    return ids, places, (places >= 0).long()
