"""Centre crop: the control that bets on the photographer."""

from typing import ClassVar

import torch
from torch import Tensor

from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Sample


def centre_crop(position_policy: str = "compacted") -> Method:
    """Keep the K tokens nearest to the centre, in rectangles of the grid's own aspect.

    Where K is no full rectangle, the outermost ring is filled in raster order. Tokens are cropped, not pixels:
    the vision tower has seen the full image.
    """
    return Method(
        "centre-crop",
        "keeps the middle of the image",
        Centrality(),
        needs_grid=True,
        position_policy=position_policy,
    )


class Centrality:
    """Minus the distance from the centre, as a share of the grid: ``-max(|Δrow| / rows, |Δcolumn| / columns)``."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_text: ClassVar[bool] = False
    needs_key: ClassVar[bool] = False

    def __call__(self, sample: Sample) -> Tensor:
        """Whole numbers, -2 · rows · columns times that [N]."""
        rows, columns = sample.grid
        down = (2 * torch.arange(rows) + 1 - rows).abs() * columns
        across = (2 * torch.arange(columns) + 1 - columns).abs() * rows
        return -torch.maximum(down[:, None], across).flatten().float()
