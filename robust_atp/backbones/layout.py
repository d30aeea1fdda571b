"""Prompts with visual tokens left out: which embedding stands where, at which position id."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from robust_atp.backbones.greedy import PromptBatch, Span
from robust_atp.backbones.prompt import PromptTokens
from robust_atp.backbones.seam import KeptTokens


def passes(kept: KeptTokens, prompts: Sequence[PromptTokens], answer: int, limit: int) -> Iterator[range]:
    """Cut Q questions, in order, into runs whose padded prompts and answers take at most ``limit`` tokens.

    A question that is longer than ``limit`` by itself gets a run of its own.
    """
    start = widest = 0
    for q, prompt in enumerate(prompts):
        width = len(prompt.before) + len(kept.features[q]) + len(prompt.after) + answer
        if q > start and (q + 1 - start) * max(widest, width) > limit:
            yield range(start, q)
            start, widest = q, 0
        widest = max(widest, width)
    if prompts:
        yield range(start, len(prompts))


def prompt_batch(
    embed: nn.Module, kept: KeptTokens, prompts: Sequence[PromptTokens], rows: Sequence[int]
) -> PromptBatch:
    """Lay out the prompts of ``rows``: text, kept tokens, text; each distinct beginning once.

    Under position policy ``original`` kept tokens stand at the position ids of their places on the grid, and
    the text after the image where it would stand had nothing been dropped; under ``compacted`` positions
    have no gaps. Beginnings are the same if they hold the same tensor objects after the same text.
    """
    prefixes: list[Span] = []
    prefix_of: list[int] = []
    suffixes: list[Span] = []
    number: dict[tuple, int] = {}
    for q in rows:
        image = _places(kept, q)
        beginning = (id(kept.features[q]), id(kept.indices[q]), prompts[q].before)
        if beginning not in number:
            number[beginning] = len(prefixes)
            prefixes.append(_prefix(embed, prompts[q].before, kept.features[q], image))
        prefix_of.append(number[beginning])
        length = kept.totals[q] if kept.position_policy == "original" else len(image)
        suffixes.append(_text(embed, prompts[q].after, len(prompts[q].before) + length))
    return PromptBatch(prefixes, prefix_of, suffixes)


def whole_prompts(
    embed: nn.Module, kept: KeptTokens, prompts: Sequence[PromptTokens], rows: Sequence[int]
) -> tuple[list[Span], list[slice]]:
    """Lay out the prompts of ``rows`` as ``prompt_batch`` does, in one piece, and say where the image stands."""
    batch = prompt_batch(embed, kept, prompts, rows)
    spans, visual = [], []
    for q, prefix, suffix in zip(rows, batch.prefix_of, batch.suffixes, strict=True):
        pair = (batch.prefixes[prefix], suffix)
        spans.append(Span(torch.cat([s.embeddings for s in pair]), torch.cat([s.positions for s in pair])))
        start = len(prompts[q].before)
        visual.append(slice(start, start + len(kept.features[q])))
    return spans, visual


def distinct_prompts(kept: KeptTokens, questions: Sequence[str]) -> tuple[KeptTokens, list[str], list[int]]:
    """Leave out entries that hold the same tensor objects and ask the same question as an earlier one.

    Returns what is left and, for each of the Q entries, the number of the prompt that it is.
    """
    number: dict[tuple[int, int, str], int] = {}
    first: list[int] = []
    prompt_of = []
    for q, question in enumerate(questions):
        prompt = number.setdefault((id(kept.features[q]), id(kept.indices[q]), question), len(first))
        if prompt == len(first):
            first.append(q)
        prompt_of.append(prompt)
    features, indices = [kept.features[q] for q in first], [kept.indices[q] for q in first]
    totals = [kept.totals[q] for q in first]
    thinned = [kept.thinned[q] for q in first] if kept.thinned else ()
    distinct = KeptTokens(features, indices, totals, kept.position_policy, thinned)
    return distinct, [questions[q] for q in first], prompt_of


def _places(kept: KeptTokens, question: int) -> Tensor:
    """Places of the image's tokens relative to its start [K + M]."""
    places = kept.places(question)
    return places if kept.position_policy == "original" else torch.arange(len(places), device=places.device)


def _prefix(embed: nn.Module, before: Sequence[int], features: Tensor, places: Tensor) -> Span:
    text = _text(embed, before, 0)
    device, dtype = text.embeddings.device, text.embeddings.dtype
    return Span(
        torch.cat([text.embeddings, features.to(device, dtype)]),
        torch.cat([text.positions, len(before) + places.to(device)]),
    )


def _text(embed: nn.Module, ids: Sequence[int], start: int) -> Span:
    device = next(embed.parameters()).device
    return Span(
        embed(torch.tensor(ids, dtype=torch.long, device=device)),
        torch.arange(start, start + len(ids), device=device),
    )
