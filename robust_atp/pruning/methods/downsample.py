"""Down-sampling: the control that keeps a little of everything."""

import torch
from torch import Tensor

from robust_atp.pruning.merging import GroupMean
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of
from robust_atp.pruning.scores import Constant, Sample
from robust_atp.pruning.selection import spread


def downsample(space: str = "projected", position_policy: str = "compacted") -> Method:
    """Average-pool the token grid to exactly K cells.

    The grid is cut into strips of rows and each strip into cells, as evenly as K allows; a token in the middle
    of each cell becomes the mean of the cell. At K = N / 4 on an even grid this is 2 × 2 pooling.

    - ``space`` projected | tower: the mean is taken of what the decoder reads, or of what the projector reads.
    - ``position_policy`` compacted | original.

    Tokens are pooled, not pixels: the vision tower has seen the full image. A smaller input image is ``resize``.
    """
    one_of("space", space, ("projected", "tower"))
    return Method(
        "downsample",
        "averages the tokens of each of K cells of the grid",
        Constant(),
        selection=middles,
        merging=GroupMean(cell_of, projected=space == "projected"),
        position_policy=position_policy,
    )


def middles(scores: Tensor, count: int, sample: Sample) -> Tensor:
    """Middle token of each cell [K]; scores are ignored."""
    return cell_of(sample, count).unique()


def cell_of(sample: Sample, count: int) -> Tensor:
    """Position of the middle token of the cell that each token is in [N]."""
    rows, columns = sample.grid
    middle = torch.zeros(rows, columns, dtype=torch.long)
    in_strips = spread(count, sample.grid)
    for strip, in_strip in zip(_stretches(rows, len(in_strips)), in_strips, strict=True):
        for cell in _stretches(columns, in_strip):
            middle[strip, cell] = _middle(strip) * columns + _middle(cell)
    return middle.flatten()


def _stretches(length: int, parts: int) -> list[slice]:
    return [slice(part * length // parts, (part + 1) * length // parts) for part in range(parts)]


def _middle(stretch: slice) -> int:
    return (stretch.start + stretch.stop) // 2
