"""A resampler between vision tower and language model: whatever it reads, it hands on the same number of queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.backbones.seam import KeptTokens
from robust_atp.errors import unknown

PRUNES = ("patches", "queries")

NOT_PATCHES = "the backbone's option prunes is 'queries', which are no patches of the image"


@dataclass(frozen=True)
class ResamplerOptions:
    """Options of a backbone with a resampler.

    ``prunes``: ``patches`` are pruned before the resampler, which hands on as many queries as ever, so that only
    the resampler itself gets cheaper; ``queries`` are pruned after it, and have no place in the image.
    """

    prunes: str = "patches"

    def __post_init__(self) -> None:
        if self.prunes not in PRUNES:
            raise unknown("prunes", self.prunes, PRUNES)


def resample(
    resampler: Callable[[Tensor], Tensor], kept: KeptTokens, dtype: torch.dtype, limit: int
) -> list[Tensor]:
    """Let a resampler, [B, M, C] to [B, L, D], read what is kept for each of Q questions: Q × [L, D].

    Questions that hold the very same tensor objects share one pass and its result. A resampler takes no mask, so
    only contexts of one length M share a batch, of at most ``limit`` tokens.
    """
    contexts = {
        id(features): torch.cat([beside, features])
        for features, beside in zip(kept.features, kept.beside, strict=True)
    }
    of_length: dict[int, list[int]] = {}
    for key, context in contexts.items():
        of_length.setdefault(len(context), []).append(key)
    queries: dict[int, Tensor] = {}
    for length, keys in of_length.items():
        size = max(1, limit // length)
        for start in range(0, len(keys), size):
            batch = keys[start : start + size]
            read = resampler(torch.stack([contexts[key] for key in batch]).to(dtype))  # [B, L, D]
            queries |= dict(zip(batch, read, strict=True))
    return [queries[id(features)] for features in kept.features]
