"""A smaller input image: the vision tower sees all of it, in fewer patches."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shrinking:
    """How an image is shrunk: to so many rows and columns of patches."""

    grid: tuple[int, int]

    @property
    def count(self) -> int:
        """Patches that are left."""
        return self.grid[0] * self.grid[1]

    def shrink(self, pixels: Tensor, patch: int) -> Tensor:
        """Resample preprocessed pixels [B, 3, H, W], bicubic and without aliasing, to patches of ``patch`` pixels.

        That comes after normalisation, which like resampling is linear: the order of the two changes nothing but that
        overshoot at edges is not clipped.
        """
        size = (self.grid[0] * patch, self.grid[1] * patch)
        small = nn.functional.interpolate(pixels.float(), size, mode="bicubic", antialias=True)
        return small.to(pixels.dtype)

    def places(self, grid: tuple[int, int]) -> Tensor:
        """Where the patches' centres lie on the grid of the whole image: ascending positions [K]."""
        rows, columns = (
            (2 * torch.arange(small) + 1) * whole // (2 * small)
            for small, whole in zip(self.grid, grid, strict=True)
        )
        return (rows[:, None] * grid[1] + columns).flatten()


def nearest_grid(count: int, grid: tuple[int, int]) -> tuple[int, int]:
    """The grid within ``grid`` whose number of patches is nearest to ``count``, the smaller among equals.

    Its aspect is that of ``grid`` but for at most one column more: of 24 × 24, 49 patches are 7 × 7 and 161 about
    12 × 13, which squeezes the image by a twelfth.
    """
    rows, columns = grid
    candidates = [
        (low, wide)
        for low in range(1, rows + 1)
        for wide in (low * columns // rows, low * columns // rows + 1)
        if 1 <= wide <= columns
    ]
    return min(candidates, key=lambda small: (abs(small[0] * small[1] - count), small[0] * small[1]))
