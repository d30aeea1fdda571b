"""Prompts with visual tokens left out: which embedding stands where, at which position id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust_atp.backbones.greedy import PromptBatch, Span
from robust_atp.backbones.positions import along_axes, compact_places
from robust_atp.backbones.prompt import PromptTokens
from robust_atp.backbones.seam import KeptTokens, Layout, Thinned


class WholePrompts(NamedTuple):
    """Prompts in one piece, where their images stand in them, and which tokens of these can be dropped."""

    spans: list[Span]
    images: list[slice]
    visual: list[Tensor]  # [K] places in the prompt, ascending


@dataclass(frozen=True)
class _Image:
    embeddings: Tensor  # [M, D] what is left of the image
    places: Tensor  # [M] or [M, A] position ids relative to the image's first
    visual: Tensor  # [K] which of the M can be dropped
    length: int  # position ids that the image takes up


def image_length(kept: KeptTokens, question: int) -> int:
    """Tokens that a question's image has in the prompt: those kept or made of others, and those never dropped."""
    layout = _layout(kept, question)
    return len(kept.features[question]) + (0 if layout is None else len(layout.fixed))


def passes(kept: KeptTokens, prompts: Sequence[PromptTokens], answer: int, limit: int) -> Iterator[range]:
    """Cut Q questions, in order, into runs whose padded prompts and answers take at most ``limit`` tokens.

    A question that is longer than ``limit`` by itself gets a run of its own.
    """
    start = widest = 0
    for q, prompt in enumerate(prompts):
        width = len(prompt.before) + image_length(kept, q) + len(prompt.after) + answer
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
    images: list[_Image] = []
    prefixes: list[Span] = []
    prefix_of: list[int] = []
    suffixes: list[Span] = []
    number: dict[tuple, int] = {}
    for q in rows:
        before = prompts[q].before
        beginning = (id(kept.features[q]), id(kept.indices[q]), before)
        if beginning not in number:
            number[beginning] = len(prefixes)
            images.append(_image(kept, q))
            prefixes.append(_prefix(embed, before, images[-1]))
        image = images[number[beginning]]
        prefix_of.append(number[beginning])
        suffixes.append(_text(embed, prompts[q].after, len(before) + image.length, image))
    return PromptBatch(prefixes, prefix_of, suffixes)


def whole_prompts(
    embed: nn.Module, kept: KeptTokens, prompts: Sequence[PromptTokens], rows: Sequence[int]
) -> WholePrompts:
    """Lay out the prompts of ``rows`` as ``prompt_batch`` does, in one piece."""
    batch = prompt_batch(embed, kept, prompts, rows)
    whole = WholePrompts([], [], [])
    for q, prefix, suffix in zip(rows, batch.prefix_of, batch.suffixes, strict=True):
        pair = (batch.prefixes[prefix], suffix)
        span = Span(torch.cat([s.embeddings for s in pair]), torch.cat([s.positions for s in pair]))
        start = len(prompts[q].before)
        whole.spans.append(span)
        whole.images.append(slice(start, start + image_length(kept, q)))
        whole.visual.append(start + _image(kept, q).visual.to(span.positions.device))
    return whole


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
    totals, off_grid = [kept.totals[q] for q in first], [kept.off_grid[q] for q in first]
    layouts = [_layout(kept, q) for q in first]
    thinned = [_thinned(kept, q) for q in first]
    distinct = KeptTokens(features, indices, totals, kept.position_policy, off_grid, layouts, thinned)
    return distinct, [questions[q] for q in first], prompt_of


def _layout(kept: KeptTokens, question: int) -> Layout | None:
    return kept.layouts[question] if kept.layouts else None


def _thinned(kept: KeptTokens, question: int) -> Thinned | None:
    return kept.thinned[question] if kept.thinned else None


def _image(kept: KeptTokens, question: int) -> _Image:
    """Put the kept tokens of a question's image back among those that are never dropped."""
    features, indices = kept.features[question], kept.indices[question]
    layout, length = _layout(kept, question), kept.totals[question]
    embeddings, places = features, kept.places(question)
    visual = torch.arange(len(features), device=indices.device)
    if layout is not None:
        staying = (layout.slots < 0) | torch.isin(layout.slots, indices)  # [M]
        places, length = layout.places[staying], int(layout.places.max()) + 1
        is_visual = layout.slots[staying] >= 0
        visual = is_visual.nonzero()[:, 0]
        embeddings = features.new_empty(len(places), features.shape[1])
        embeddings[is_visual], embeddings[~is_visual] = features, layout.fixed.to(features)
    if kept.position_policy == "compacted":
        places = compact_places(places)
        length = int(places.max()) + 1
    return _Image(embeddings, places, visual, length)


def _prefix(embed: nn.Module, before: Sequence[int], image: _Image) -> Span:
    text = _text(embed, before, 0, image)
    device, dtype = text.embeddings.device, text.embeddings.dtype
    return Span(
        torch.cat([text.embeddings, image.embeddings.to(device, dtype)]),
        torch.cat([text.positions, len(before) + image.places.to(device)]),
    )


def _text(embed: nn.Module, ids: Sequence[int], start: int, image: _Image) -> Span:
    device = next(embed.parameters()).device
    positions = torch.arange(start, start + len(ids), device=device)
    return Span(
        embed(torch.tensor(ids, dtype=torch.long, device=device)), along_axes(positions, image.places)
    )
