"""A smaller input image: what one would do without any pruning method."""

import math

from robust_atp.backbones.flops import TowerShape
from robust_atp.backbones.shrinking import Shrinking, nearest_grid
from robust_atp.pruning.budgets import Everything, FixedRatio
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant


def resize(position_policy: str = "compacted") -> Method:
    """Shrink the image until it has about K patches, and encode that.

    The one control that saves the vision tower's work too. The tower's position embedding is interpolated
    (bicubic), as transformers does for images of another size; CLIP was not trained on them.

    K is the number of a grid of patches that is nearest to the nominal budget, see ``nearest_grid``: 0.28 of 576 makes
    12 × 13 = 156.

    - ``position_policy`` compacted | original: a token enters the decoder where the centre of its patch lies on the
      grid of the whole image, and has that position id under ``original``.
    """
    plan = SmallerImage()
    return Method(
        "resize",
        "shrinks the image to K patches",
        Constant(),
        budget=Everything(),
        tower=plan,
        placement=plan.placement,
        position_policy=position_policy,
    )


class SmallerImage:
    """Square images and towers, as CLIP's are."""

    placement = "before the vision tower"

    def count(self, keep: float, total: int) -> int:
        """Patches of the grid nearest to round(keep · N)."""
        return self._shrinking(keep, total).count

    def thinning(self, keep: float, total: int, tower: TowerShape) -> Shrinking | None:
        """The grid; None for that of the whole image."""
        shrinking = self._shrinking(keep, total)
        return None if shrinking.count == total else shrinking

    def _shrinking(self, keep: float, total: int) -> Shrinking:
        side = math.isqrt(total)
        return Shrinking(nearest_grid(FixedRatio.count(keep, total), (side, side)))
