"""Several ways of dropping visual tokens from the same prompts, computed together up to where they part."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.greedy import Continuations, Span
from robust_atp.backbones.staged import Prefill
from robust_atp.errors import UserError


@dataclass(frozen=True)
class Descent:
    """What became of P prompts on their ways through the decoder."""

    continuations: Continuations
    cuts: list[tuple[tuple[int, ...], ...]]  # P × grid positions kept after each cut
    tokens_per_layer: list[tuple[int, ...]]  # P × visual tokens that each layer processed


def decode_dropping(
    decoder: PreTrainedModel,
    head: nn.Module,
    prompts: Sequence[Span],
    visual: Sequence[slice],
    ways: Sequence[tuple[int, Dropping]],
    end_ids: Set[int],
    max_new_tokens: int,
) -> Descent:
    """Send prompt ``p`` down its way for every (p, way) in ``ways``, P in all.

    The layers before the first cut run once for all ways: a trunk advances through them, and each batch of
    ways that cut alike branches off where it must. Batches hold every prompt at most once, whatever else is
    asked for, so that neither their memory nor their rows depend on how many ways there are.
    """
    layers = len(decoder.get_submodule("layers"))  # type: ignore[arg-type]
    batches: dict[tuple, list[int]] = {}
    turns: dict[tuple, int] = {}
    for number, (prompt, way) in enumerate(ways):
        _check_depths(way, layers)
        depths = tuple(depth for depth, _ in way.cuts)
        alike = (way.own_from, depths, way.rule, way.observer, way.observed_from, way.position_policy)
        turn = turns[prompt, alike] = turns.get((prompt, alike), -1) + 1
        batches.setdefault((*alike, turn), []).append(number)
    trunk = Prefill(decoder, prompts, visual)
    done: dict[int, tuple] = {}
    for (own_from, *_), numbers in sorted(batches.items(), key=lambda batch: batch[0][0]):
        trunk.advance(own_from)
        branch = trunk.fork([ways[number][0] for number in numbers])
        _descend(branch, [ways[number][1] for number in numbers], layers)
        found = branch.decode(head, end_ids, max_new_tokens)
        for row, number in enumerate(numbers):
            cuts = tuple(tuple(kept.tolist()) for kept in branch.kept[row])
            done[number] = (
                found.token_ids[row],
                found.first_logprobs[row],
                cuts,
                tuple(branch.tokens_per_layer[row]),
            )
    token_ids, first_logprobs, cuts, tokens = zip(*(done[number] for number in range(len(ways))), strict=True)
    return Descent(Continuations(list(token_ids), torch.stack(first_logprobs)), list(cuts), list(tokens))


def _descend(branch: Prefill, ways: Sequence[Dropping], layers: int) -> None:
    """Pass the remaining layers, cutting where the ways, which agree on that, say."""
    for cut, (depth, _) in enumerate(ways[0].cuts):
        branch.advance(depth, ways[0].observer, ways[0].observed_from)
        survivors = []
        for row, way in enumerate(ways):
            visual, count = branch.visual[row], way.cuts[cut][1]
            survivors.append(
                way.rule(branch.view(row), count) if count < visual.stop - visual.start else None
            )
        branch.drop(survivors, ways[0].position_policy)
    branch.advance(layers)


def _check_depths(way: Dropping, layers: int) -> None:
    depths = [depth for depth, _ in way.cuts]
    if not depths or depths != sorted(set(depths)) or not 1 <= depths[0] <= depths[-1] < layers:
        raise UserError(
            f"cuts inside a decoder of {layers} layers must be ascending and within 1..{layers - 1}; got {depths}"
        )
