"""What each place of a picture shows: the truth that features and latents are trained to give away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robust_atp.phantom.model import PATCH
from robust_atp.phantom.world import BACKGROUNDS, COLOURS, SHAPES, SIZE, Scene

GRID = SIZE // PATCH
MIN_COVERAGE = 0.2  # a patch is labelled with an object that covers at least this share of it


@dataclass(frozen=True)
class PlaceLabels:
    """What each of P places shows. Index ``len(SHAPES)`` (``len(COLOURS)``) stands for "no object"."""

    shape: Tensor  # [B, P]
    colour: Tensor  # [B, P]
    centre: Tensor  # [B, P, 2] of the object at the place, in picture widths
    background: Tensor  # [B]

    @property
    def on_object(self) -> Tensor:
        """Whether the place shows an object, bool [B, P]."""
        return self.shape < len(SHAPES)

    def of(self, rows: Tensor, device: torch.device) -> "PlaceLabels":
        """Select pictures."""
        return PlaceLabels(*(part[rows].to(device) for part in self._parts))

    @staticmethod
    def cat(batches: Sequence["PlaceLabels"]) -> "PlaceLabels":
        """Labels of all pictures of all batches."""
        return PlaceLabels(
            *(torch.cat(part) for part in zip(*(labels._parts for labels in batches), strict=True))
        )

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.shape, self.colour, self.centre, self.background


def patch_labels(scenes: list[Scene], masks: list[np.ndarray]) -> PlaceLabels:
    """Label patches by the object that covers most of them."""
    shape = np.full((len(scenes), GRID * GRID), len(SHAPES))
    colour = np.full((len(scenes), GRID * GRID), len(COLOURS))
    centre = np.zeros((len(scenes), GRID * GRID, 2), dtype=np.float32)
    for row, (scene, mask) in enumerate(zip(scenes, masks, strict=True)):
        covered = coverage(mask)  # [objects, N]
        for patch in np.flatnonzero(covered.max(0) >= MIN_COVERAGE):
            item = scene.objects[int(covered[:, patch].argmax())]
            shape[row, patch], colour[row, patch] = SHAPES.index(item.shape), COLOURS.index(item.colour)
            centre[row, patch] = item.x / SIZE, item.y / SIZE
    background = torch.tensor([BACKGROUNDS.index(scene.background) for scene in scenes])
    return PlaceLabels(
        torch.from_numpy(shape), torch.from_numpy(colour), torch.from_numpy(centre), background
    )


def seen_in_cells(patches: PlaceLabels, kept: Tensor, side: int) -> PlaceLabels:
    """Label the side × side cells of a coarse grid, in raster order, by the object whose centre they hold.

    Objects that no kept patch [B, K] shows are left out. Each object is in one cell, so that telling how many there
    are is telling how many cells are taken.
    """
    shape, colour, centre = (
        part.gather(1, kept[..., None].expand(-1, -1, part.shape[-1]))
        for part in (patches.shape[..., None], patches.colour[..., None], patches.centre)
    )
    column, row = (centre * side).long().clamp(max=side - 1).unbind(-1)
    nowhere = side**2  # one more cell, cut off below, takes the patches of the background
    cell = torch.where(shape[..., 0] < len(SHAPES), row * side + column, nowhere)[..., None]  # [B, K, 1]

    def spread(values: Tensor, empty: int) -> Tensor:
        cells = values.new_full((len(kept), side**2 + 1, values.shape[-1]), empty)
        return cells.scatter(1, cell.expand_as(values), values)[:, : side**2]

    return PlaceLabels(
        spread(shape, len(SHAPES))[..., 0],
        spread(colour, len(COLOURS))[..., 0],
        spread(centre, 0),
        patches.background,
    )


def coverage(masks: np.ndarray) -> np.ndarray:
    """Share of each patch inside each mask: bool [objects, 224, 224] -> float [objects, N]."""
    cells = masks.reshape(-1, GRID, PATCH, GRID, PATCH)
    return cells.mean((2, 4), dtype=np.float32).reshape(-1, GRID * GRID)
