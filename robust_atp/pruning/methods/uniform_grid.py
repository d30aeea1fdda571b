"""Uniform spatial subsampling: as blind as random pruning, but without its holes."""

from robust_atp.pruning import selection
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant


def uniform_grid(position_policy: str = "compacted") -> Method:
    """Keep tokens evenly spaced over the grid, the same for every image."""
    return Method(
        "uniform-grid",
        "keeps an evenly spaced grid",
        Constant(),
        selection=selection.uniform_grid,
        needs_grid=True,
        position_policy=position_policy,
    )
