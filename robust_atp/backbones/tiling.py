"""How LLaVA-NeXT cuts an image into tiles, and which patches of them its decoder reads, in which order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution

from robust_atp.backbones.geometry import object_patches
from robust_atp.backbones.seam import Layout, View


@dataclass(frozen=True)
class Tiling:
    """An overview of the image and a mosaic of tiles, encoded one by one and packed without what is padding.

    View 0 is the overview, view 1 + r · columns + c the tile in row r and column c. Each has ``side`` × ``side``
    patches; patch p of view v is number v · side² + p.
    """

    side: int
    tiles: tuple[int, int]  # rows, columns
    resized: tuple[int, int]  # height, width of the image within the mosaic, which surrounds it with padding
    packed: (
        Tensor  # [M] numbers of the patches in the order in which the decoder reads them, -1: end of a line
    )

    @classmethod
    def of(cls, size: tuple[int, int], model: Any) -> "Tiling":
        """Tiling of an image of ``size`` (height, width) by a ``LlavaNextModel``.

        The order is found by letting the model pack the patches' numbers in place of their features.
        """
        config = model.config
        side = config.vision_config.image_size // config.vision_config.patch_size
        resolution = select_best_resolution(size, config.image_grid_pinpoints)
        tiles = tuple(length // config.vision_config.image_size for length in resolution)
        count = 1 + tiles[0] * tiles[1]
        numbers = torch.arange(count * side**2, dtype=torch.float64).reshape(count, side**2, 1)
        (packed,), _ = model.pack_image_features(
            [numbers],
            torch.tensor([size]),
            vision_feature_select_strategy="default",
            image_newline=torch.tensor([-1.0], dtype=torch.float64),
        )
        resized = get_patch_output_size(np.empty((*size, 0)), resolution, "channels_last")
        return cls(side, (tiles[0], tiles[1]), resized, packed[:, 0].long())

    @property
    def views(self) -> int:
        """Number of images that the vision tower encodes."""
        return 1 + self.tiles[0] * self.tiles[1]

    @property
    def patches(self) -> Tensor:
        """Numbers of the patches that the decoder reads [N]."""
        return self.packed[self.packed >= 0]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the mosaic without its padding."""
        rows = int((self.packed < 0).sum())
        return rows, (len(self.patches) - self.side**2) // rows

    def layout(self, line_ends: Tensor) -> Layout:
        """Say where the N tokens stand among the ends of lines [rows, D]."""
        is_patch = self.packed >= 0
        slots = torch.where(is_patch, is_patch.cumsum(0) - 1, -1)
        device = line_ends.device
        return Layout(slots.to(device), torch.arange(len(slots), device=device), line_ends)

    def parts(self, device: torch.device) -> tuple[View, ...]:
        """What is left of each view; tiles that are nothing but padding are left out."""
        view_of, place = self.patches // self.side**2, self.patches % self.side**2
        found = []
        for view in view_of.unique().tolist():
            tokens = (view_of == view).nonzero()[:, 0]
            rows = len((place[tokens] // self.side).unique())
            found.append(View(tokens.to(device), (rows, len(tokens) // rows)))
        return tuple(found)

    def object_patches(self, mask: np.ndarray, tile: int) -> np.ndarray:
        """Which tokens have at least half their area in a mask [H, W]; a tile is ``tile`` pixels wide: bool [N]."""
        overview = object_patches(mask, (tile, tile), (tile, tile), (self.side, self.side))
        rows, columns = self.tiles
        padded, grid = (rows * tile, columns * tile), (rows * self.side, columns * self.side)
        mosaic = object_patches(mask, self.resized, padded, grid)
        # Rows and columns of tiles first, as the patches are numbered.
        by_tile = mosaic.reshape(rows, self.side, columns, self.side).swapaxes(1, 2)
        return np.concatenate([overview, by_tile.ravel()])[self.patches.numpy()]
