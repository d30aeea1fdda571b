"""Greedy answers of an encoder–decoder language model (T5), and what its prefill costs."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from robust_atp.backbones.flops import DecoderShape, linear_weights
from robust_atp.backbones.greedy import Continuations, pick_likeliest
from robust_atp.backbones.language import TOKENS_PER_PASS
from robust_atp.backbones.layout import passes, whole_prompts
from robust_atp.backbones.seam import Answer, KeptTokens
from robust_atp.backbones.words import Words


def decode_encoded(
    model: Any, prompts: Sequence[Tensor], end_ids: Set[int], max_new_tokens: int
) -> Continuations:
    """Encode B prompts [n_b, D] together, then pick the likeliest token until the end.

    Prompts of different lengths are padded on the right and the padding is masked, which relative positions do not
    notice. ``model`` is like ``T5ForConditionalGeneration``.
    """
    embeddings = pad_sequence(list(prompts), batch_first=True)  # [B, n, D]
    mask = pad_sequence(
        [prompt.new_ones(len(prompt), dtype=torch.long) for prompt in prompts], batch_first=True
    )
    hidden = model.get_encoder()(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def step(tokens: Tensor) -> Tensor:
        return (
            model(
                encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
                attention_mask=mask,
                decoder_input_ids=tokens[:, None],
                past_key_values=cache,
                use_cache=True,
            )
            .logits[:, -1]
            .float()
        )

    start = mask.new_full((len(prompts),), model.generation_config.decoder_start_token_id)
    logits = step(start)  # [B, V]
    answers = pick_likeliest(logits, step, end_ids, max_new_tokens)
    return Continuations(answers, logits.log_softmax(-1))


class EncoderDecoder:
    """An encoder–decoder whose visual tokens stand among those of the text that its encoder reads."""

    def __init__(self, model: Any, words: Words) -> None:
        self.model = model
        self.words = words

    @cached_property
    def shape(self) -> "EncoderDecoderShape":
        """What decides the prefill cost."""
        return EncoderDecoderShape.of(self.model)

    @torch.inference_mode()
    def answer(self, kept: KeptTokens, questions: Sequence[str], task: str) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens, without gaps between positions."""
        prompts, limit = self.words.tokenize(questions, task), self.words.asking[task].max_new_tokens
        embed = self.model.get_input_embeddings()
        answers: list[Answer] = []
        for rows in passes(kept, prompts, limit, TOKENS_PER_PASS):
            whole = [span.embeddings for span in whole_prompts(embed, kept, prompts, rows).spans]
            result = decode_encoded(self.model, whole, self.words.end_ids, limit)
            costs = [self.shape.flops([len(prompt)] * self.shape.layers) for prompt in whole]
            answers += self.words.read_out(result, costs)
        return answers


@dataclass(frozen=True)
class EncoderDecoderShape:
    """What decides an encoder–decoder's prefill cost: the encoder reads the prompt, the decoder one start token."""

    encoder: DecoderShape
    decoder_layers: int
    start_weights: int
    """Weights of one decoder layer that the start token passes: all but keys and values of cross-attention."""
    read_weights: int
    """Weights of one decoder layer that the encoder's output passes: keys and values of cross-attention."""

    @classmethod
    def of(cls, model: Any) -> "EncoderDecoderShape":
        """Read the shape off a ``T5ForConditionalGeneration``."""
        blocks = model.decoder.block
        crossing = [block.layer[1].EncDecAttention for block in blocks]
        read = linear_weights(part for cross in crossing for part in (cross.k, cross.v))
        count = len(blocks)
        whole = linear_weights(blocks)
        return cls(DecoderShape.of(model.encoder, "block"), count, (whole - read) // count, read // count)

    @property
    def layers(self) -> int:
        """Layers of the encoder, which visual tokens pass through."""
        return self.encoder.layers

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Operations up to the first answer token when encoder layer l processes n_l tokens, the last one n.

        The encoder's as a ``DecoderShape``, and ``2 W_start + 4 a + 2 n W_read + 4 n a`` for each decoder layer,
        a being heads × head_dim.
        """
        n, a = tokens_per_layer[-1], self.encoder.attention
        each = 2.0 * self.start_weights + 2.0 * n * self.read_weights + 4.0 * (1 + n) * a
        return self.encoder.flops(tokens_per_layer) + self.decoder_layers * each
