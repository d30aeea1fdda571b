"""What backbones with a resampler between vision tower and language model share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robust_atp.backbones.resampler_flops import ResamplerCost
from robust_atp.backbones.seam import Answer, KeptTokens
from robust_atp.errors import unknown

NO_PATCHES = "a resampler's queries are no patches of the image: set the backbone's option prunes to patches"


@dataclass(frozen=True)
class ResamplerOptions:
    """Options of backbones with a resampler.

    ``prunes``: ``patches`` drops patches before the resampler reads them, which makes that cheaper and leaves the
    language model as many tokens as there are queries; ``queries`` drops the resampler's tokens, which have no place
    in the image, and so leaves the language model fewer.
    """

    prunes: str = "patches"

    def __post_init__(self) -> None:
        if self.prunes not in ("patches", "queries"):
            raise unknown("prunes", self.prunes, ("patches", "queries"))


def resampled(kept: KeptTokens, read: Callable[[Sequence[Tensor]], Sequence[Tensor]]) -> KeptTokens:
    """What a resampler makes of what is kept for Q questions: all that enters the language model.

    ``read`` maps B sets of tokens [n_b, C], those off the grid first, to B × [queries, D]. Questions that hold the
    very same tensor objects share a set, and its queries.
    """
    number: dict[tuple[int, int], int] = {}
    sets: list[Tensor] = []
    rows = []
    for features, beside in zip(kept.features, kept.off_grid, strict=True):
        row = number.setdefault((id(features), id(beside)), len(sets))
        if row == len(sets):
            sets.append(features if beside is None else torch.cat([beside, features]))
        rows.append(row)
    queries = read(sets)
    places = [torch.arange(len(made)) for made in queries]
    return KeptTokens(
        [queries[row] for row in rows],
        [places[row] for row in rows],
        [len(places[row]) for row in rows],
        kept.position_policy,
        [None] * len(rows),
    )


def with_resampler(
    answers: Sequence[Answer], entered: KeptTokens, resampler: ResamplerCost, read: Sequence[int]
) -> list[Answer]:
    """Answers to Q questions with the cost of a resampler that read so many tokens, and with what entered after it."""
    return [
        replace(answer, prefill_flops=answer.prefill_flops + resampler.flops(count), tokens_llm=len(indices))
        for answer, count, indices in zip(answers, read, entered.indices, strict=True)
    ]
