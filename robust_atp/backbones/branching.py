"""Several ways of dropping visual tokens from the same prompts, computed together up to where they part."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.greedy import Span
from robust_atp.backbones.staged import Prefill
from robust_atp.errors import UserError


@dataclass(frozen=True)
class Descent:
    """What became of one prompt on one way through the decoder."""

    token_ids: tuple[int, ...]
    first_logprobs: Tensor  # [V], float32
    cuts: tuple[tuple[int, ...], ...]  # grid positions kept after each cut
    tokens_per_layer: tuple[int, ...]  # visual tokens that each layer processed


def decode_dropping(
    decoder: PreTrainedModel,
    head: nn.Module,
    prompts: Sequence[Span],
    visual: Sequence[slice],
    ways: Sequence[tuple[int, Dropping]],
    end_ids: Set[int],
    max_new_tokens: int,
) -> list[Descent]:
    """Send prompt ``p`` down its way, for every (p, way) in ``ways``.

    The layers before the first cut run once for all ways: a trunk advances through them, and each batch of
    ways that cut alike branches off where it must.
    """
    layers = len(list(decoder.get_submodule("layers").children()))
    for _, way in ways:
        _check_depths(way, layers)
    trunk = Prefill(decoder, prompts, visual)
    descents: dict[int, Descent] = {}
    for numbers in _batches(ways):
        batch = [ways[number][1] for number in numbers]
        trunk.advance(batch[0].own_from)
        branch = trunk.fork([ways[number][0] for number in numbers])
        descend(branch, batch, layers)
        found = branch.decode(head, end_ids, max_new_tokens)
        for row, number in enumerate(numbers):
            descents[number] = Descent(
                found.token_ids[row],
                found.first_logprobs[row],
                tuple(tuple(kept.tolist()) for kept in branch.kept[row]),
                tuple(branch.tokens_per_layer[row]),
            )
    return [descents[number] for number in range(len(ways))]


def _batches(ways: Sequence[tuple[int, Dropping]]) -> list[list[int]]:
    """Numbers of ways that cut after the same layers by the same rule, those that part first in front.

    A batch holds every prompt at most once: neither its size nor its rows depend on how many ways there are.
    """
    batches: dict[tuple, list[int]] = {}
    turns: Counter[tuple] = Counter()
    for number, (prompt, way) in enumerate(ways):
        depths = tuple(depth for depth, _ in way.cuts)
        alike = (depths, way.rule, way.observer, way.observed_from, way.position_policy)
        batches.setdefault((*alike, turns[prompt, alike]), []).append(number)
        turns[prompt, alike] += 1
    return sorted(batches.values(), key=lambda numbers: ways[numbers[0]][1].own_from)


def descend(branch: Prefill, ways: Sequence[Dropping], layers: int) -> None:
    """Pass the remaining layers, cutting where the ways, which agree on that, say."""
    for number, (depth, _) in enumerate(ways[0].cuts):
        branch.advance(depth, ways[0].observer, ways[0].observed_from)
        cut(branch, ways, number)
    branch.advance(layers)


def cut(branch: Prefill, ways: Sequence[Dropping], number: int) -> None:
    """Let every prompt go on with what the rule of its way chooses at cut ``number``, counted from 0."""
    survivors = []
    for row, way in enumerate(ways):
        count = way.cuts[number][1]
        visual = branch.prompt_visual[row] if way.adaptive else branch.visual[row]
        more = count < visual.stop - visual.start
        survivors.append(way.rule(branch.view(row, way.grid), count) if more else None)
    branch.drop(survivors, ways[0].position_policy)


def _check_depths(way: Dropping, layers: int) -> None:
    depths = [depth for depth, _ in way.cuts]
    if not depths or depths != sorted(set(depths)) or not 1 <= depths[0] <= depths[-1] < layers:
        raise UserError(
            f"cuts inside a decoder of {layers} layers must be ascending and within 1..{layers - 1}; got {depths}"
        )
