"""Greedy answers of a decoder that looks at the image by gated cross-attention (Idefics v1)."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, IdeficsForVisionText2Text

from robust_atp.backbones.greedy import Continuations, pick_likeliest


@dataclass(frozen=True)
class SeeingPrompt:
    """A prompt whose tokens see an image from one of them on."""

    ids: tuple[int, ...]
    sees_from: int  # place of the first token that sees the image: its placeholder
    image: Tensor  # [K, C] what cross-attention reads; K may differ between prompts


def decode_seeing(
    model: IdeficsForVisionText2Text, prompts: Sequence[SeeingPrompt], end_ids: Set[int], max_new_tokens: int
) -> Continuations:
    """Prefill the prompts, then pick the likeliest token until the end.

    Idefics masks whole images only. Every visual token is therefore handed over as an image of one token, and
    the mask of images then tells real tokens from the padding of shorter prompts' images.
    """
    images = pad_sequence([p.image for p in prompts], batch_first=True)  # [B, K, C]
    real = pad_sequence([p.image.new_ones(len(p.image), dtype=torch.bool) for p in prompts], batch_first=True)
    name = "perceiver_embeddings" if model.config.use_resampler else "image_encoder_embeddings"
    seen = {name: images[:, :, None].to(model.dtype)}  # [B, K, 1, C]
    cache = DynamicCache(config=model.config)

    def forward(ids: Tensor, positions: Tensor, mask: Tensor, sees: Tensor) -> Tensor:
        """Next logits [B, V] after tokens [B, T] that see the image or not [B, T]; the cache grows in place."""
        return model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            image_attention_mask=sees[:, :, None] & real[:, None],  # [B, T, K]
            logits_to_keep=1,
            **seen,
        ).logits[:, -1].float()

    ids, places, mask = _pad_left(prompts, images.device)  # [B, T] each
    sees_from = torch.tensor([p.sees_from for p in prompts], device=images.device)[:, None]
    logits = forward(ids, places.clamp(min=0), mask, places >= sees_from)
    first_logprobs = logits.log_softmax(-1)
    position = places[:, -1:]

    def step(tokens: Tensor) -> Tensor:
        nonlocal position, mask
        position = position + 1
        mask = torch.cat([mask, mask.new_ones(len(tokens), 1)], 1)
        return forward(tokens[:, None], position, mask, torch.ones_like(position, dtype=torch.bool))

    return Continuations(pick_likeliest(logits, step, end_ids, max_new_tokens), first_logprobs)


def _pad_left(prompts: Sequence[SeeingPrompt], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, places (negative in the padding) and mask of prompts of different lengths, [B, T] each."""
    rows = [torch.tensor(p.ids, device=device) for p in prompts]
    ids = pad_sequence(rows, batch_first=True, padding_side="left")
    lengths = torch.tensor([len(row) for row in rows], device=device)[:, None]
    places = torch.arange(ids.shape[1], device=device) - (ids.shape[1] - lengths)
    return ids, places, (places >= 0).long()
