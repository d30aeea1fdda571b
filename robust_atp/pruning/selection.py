"""Which K tokens stay, given their scores. Indices are always ascending: raster order."""

from typing import Protocol

import torch
from torch import Tensor

from robust_atp.pruning.scores import Sample


class Selection(Protocol):
    """Ascending indices [K] of the kept tokens, from their scores [N] and the sample.

    A selection that looks at signals names them in an attribute ``needs``.
    """

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ``count`` of the N tokens."""


def top_k(scores: Tensor, count: int, sample: Sample | None = None) -> Tensor:
    """The ``count`` largest scores; among equals the lower index wins. ``ValueError`` for nan scores.

    ``torch.topk`` leaves ties open, and half-precision attention is full of them: the kept sets of two
    equal images would differ.
    """
    missing = int(scores.isnan().sum())
    if missing:
        raise ValueError(f"{missing} of {len(scores)} token scores are nan: the model's signals are broken")
    return ranked(scores)[:count].sort().values


def ranked(scores: Tensor) -> Tensor:
    """Indices [N] from the largest score to the smallest, in float32; among equals the lower index first."""
    return scores.float().sort(descending=True, stable=True).indices


def uniform_grid(scores: Tensor, count: int, sample: Sample) -> Tensor:
    """Exactly ``count`` tokens spread evenly: evenly spaced rows, and in each of them evenly spaced columns.

    Scores are ignored. The number of rows follows the grid's aspect: ``round(√(count · rows / columns))``.
    """
    rows, columns = sample.grid
    in_rows = spread(count, sample.grid)
    kept: list[int] = []
    for row, in_row in zip(_centres(rows, len(in_rows)), in_rows, strict=True):
        kept += [row * columns + column for column in _centres(columns, in_row)]
    return torch.tensor(kept, device=scores.device)


def spread(count: int, grid: tuple[int, int]) -> list[int]:
    """How many of ``count`` evenly spread tokens fall into each of how many rows."""
    rows, columns = grid
    wanted = int((count * rows / columns) ** 0.5 + 0.5)
    used = min(max(wanted, -(-count // columns)), rows, count)
    return [(number + 1) * count // used - number * count // used for number in range(used)]


def _centres(length: int, parts: int) -> list[int]:
    """Index in the middle of each of ``parts`` equal stretches."""
    return [(2 * part + 1) * length // (2 * parts) for part in range(parts)]
