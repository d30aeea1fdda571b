"""Greedy answers of a decoder to prompts that are given as embeddings and often share their beginning."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, PreTrainedModel

from robust_atp.backbones.positions import as_position_ids


@dataclass(frozen=True)
class Span:
    """Consecutive tokens of a prompt with the position ids they are to have, gaps allowed."""

    embeddings: Tensor  # [n, D]
    positions: Tensor  # [n], or [n, A] where rotary positions have A axes


@dataclass(frozen=True)
class PromptBatch:
    """B prompts; prompt b is ``prefixes[prefix_of[b]]`` followed by ``suffixes[b]``, neither empty."""

    prefixes: Sequence[Span]
    prefix_of: Sequence[int]
    suffixes: Sequence[Span]


@dataclass(frozen=True)
class Continuations:
    """What greedy decoding of B prompts yields."""

    token_ids: list[tuple[int, ...]]  # without the end token
    first_logprobs: Tensor  # [B, V], float32


def decode_greedily(
    decoder: PreTrainedModel, head: nn.Module, batch: PromptBatch, end_ids: Set[int], max_new_tokens: int
) -> Continuations:
    """Prefill each distinct prefix once, the suffixes on top, then pick the likeliest token until the end.

    Rows are laid out as ``[prefix, padding | padding, suffix | answer]``, so that no query is left without
    a key and every row's last token stands at the end. The mask is always given explicitly beside the cache:
    transformers takes position ids with gaps for packed sequences when there is neither.
    """
    device = batch.prefixes[0].embeddings.device
    rows = torch.as_tensor(batch.prefix_of, device=device)
    cache = DynamicCache(config=decoder.config)
    embeddings, positions, prefix_mask = _pad(batch.prefixes, "right")
    _forward(decoder, embeddings, positions, prefix_mask, cache)
    cache.batch_select_indices(rows)

    embeddings, positions, suffix_mask = _pad(batch.suffixes, "left")
    mask = torch.cat([prefix_mask[rows], suffix_mask], 1)  # [B, T]
    logits = head(_forward(decoder, embeddings, positions, mask, cache)).float()  # [B, V]
    first_logprobs = logits.log_softmax(-1)

    position = positions[:, -1:]

    def step(tokens: Tensor) -> Tensor:
        nonlocal position, mask
        position = position + 1
        mask = torch.cat([mask, mask.new_ones(len(tokens), 1)], 1)
        embeddings = decoder.get_input_embeddings()(tokens)[:, None]  # [B, 1, D]
        return head(_forward(decoder, embeddings, position, mask, cache)).float()

    return Continuations(pick_likeliest(logits, step, end_ids, max_new_tokens), first_logprobs)


def pick_likeliest(
    logits: Tensor, step: Callable[[Tensor], Tensor], end_ids: Set[int], max_new_tokens: int
) -> list[tuple[int, ...]]:
    """Token ids of B greedy answers, without the end token.

    ``logits`` [B, V] are those of the first token; ``step`` takes the tokens chosen last [B] and returns the
    next logits [B, V].
    """
    answers: list[list[int]] = [[] for _ in range(len(logits))]
    open_rows = set(range(len(answers)))
    for number in range(max_new_tokens):
        tokens = logits.argmax(-1)  # [B]
        for row, token in enumerate(tokens.tolist()):
            if token in end_ids:
                open_rows.discard(row)
            elif row in open_rows:
                answers[row].append(token)
        if not open_rows or number == max_new_tokens - 1:
            break
        logits = step(tokens)
    return [tuple(answer) for answer in answers]


def _forward(
    decoder: PreTrainedModel, embeddings: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache
) -> Tensor:
    """Hidden state of the last token [B, D]; the cache grows in place."""
    output = decoder(
        inputs_embeds=embeddings,
        position_ids=as_position_ids(positions),
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
    )
    return output.last_hidden_state[:, -1]


def _pad(spans: Sequence[Span], side: str) -> tuple[Tensor, Tensor, Tensor]:
    """Stack spans of different lengths: embeddings [B, n, D], positions [B, n(, A)], mask [B, n]."""
    embeddings = pad_sequence([s.embeddings for s in spans], batch_first=True, padding_side=side)
    positions = pad_sequence([s.positions for s in spans], batch_first=True, padding_side=side)
    ones = [s.positions.new_ones(len(s.positions)) for s in spans]
    mask = pad_sequence(ones, batch_first=True, padding_side=side)
    return embeddings, positions, mask
