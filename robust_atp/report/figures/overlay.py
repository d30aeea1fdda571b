"""Which tokens stay, drawn onto the picture."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import GREY, INK, journal_style, plain
from robust_atp.report.order import readable
from robust_atp.report.pictures import Picture
from robust_atp.stability import kappa_masks

# Told apart by hue for the colour-blind and by lightness in grey print; kept both times is the bare picture.
_NEITHER = (1.0, 1.0, 1.0, 0.82)
_CLEAN_ONLY = (0.93, 0.55, 0.10, 0.62)
_CORRUPTED_ONLY = (0.0, 0.30, 0.62, 0.50)
_OUTLINE = "#d6006c"
_ACROSS = 8  # tiles beside each other that a page still shows large enough


def overlay(pictures: Mapping[tuple[str, int], Picture]) -> Figure:
    """Draw one row per intervention and one column per arm; objects are outlined.

    A patch kept on the clean image and here is bare, one kept on neither is veiled, one kept only on the clean
    image is orange, one kept only here is blue.

    More than ``_ACROSS`` arms go on below, in another block of rows. ``pictures`` maps (intervention, severity)
    to what ``report.pictures`` recreated; the clean image comes first. Above each tile stand the answer,
    whether it is right, and κ with the set kept on the clean image.
    Of a picture, the area is shown that the grid lies over; of an overview and tiles, the tiles.
    """
    first = next(iter(pictures.values())).rows
    arms = arms_of(first)
    with journal_style():
        blocks = [arms[start : start + _ACROSS] for start in range(0, len(arms), _ACROSS)]
        figure, tiles = _grid(len(pictures) * len(blocks), len(blocks[0]))
        for block, shown in enumerate(blocks):
            below = tiles[block * len(pictures) : (block + 1) * len(pictures)]
            _block(below, pictures, shown, first)
        asked, answer = first["question"].iloc[0], first["answer"].iloc[0]
        title = textwrap.shorten(f"{asked}   ({answer})", 22 * len(blocks[0]), placeholder="…")
        left, top = 0.32 / figure.get_figwidth(), 1 - 0.08 / figure.get_figheight()
        figure.suptitle(plain(title), x=left, y=top, ha="left", va="top", fontsize=9)
        if len(pictures) > 1:
            _legend(figure)
    return figure


def _block(
    tiles: np.ndarray, pictures: Mapping[tuple[str, int], Picture], arms: Sequence[Arm], clean: pd.DataFrame
) -> None:
    for row, ((name, severity), picture) in zip(tiles, pictures.items(), strict=True):
        for tile, arm in zip(row, arms, strict=False):
            _tile(tile, picture, arm, clean=rows_of(clean, arm))
        for unused in row[len(arms) :]:
            unused.remove()
        row[0].set_ylabel(readable(name) + (f" {severity}" if severity else ""))
    for tile, arm in zip(tiles[0], arms, strict=False):
        tile.annotate(
            arm.title, (0, 1.17), xycoords="axes fraction", fontsize=9, fontweight="bold", va="bottom"
        )


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """Square tiles of one size in inches: a layout engine would give long labels the room of the pictures."""
    tile, across, down, left, above = 1.45, 0.12, 0.5, 0.32, 0.82
    width = left + columns * tile + (columns - 1) * across + 0.08
    below = 0.48
    height = above + rows * tile + (rows - 1) * down + below
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left / width, below / height, 1 - 0.08 / width, 1 - above / height, across / tile, down / tile
    )
    return figure, figure.subplots(rows, columns, squeeze=False)


def _tile(tile: Axes, picture: Picture, arm: Arm, clean: pd.DataFrame) -> None:
    row = rows_of(picture.rows, arm).iloc[0]
    grids = read_grids(row["grid"])
    rows, columns = grids[-1]
    tokens = sum(r * c for r, c in grids)
    kept = unpack(row["kept"], tokens)
    seen = _area(picture.pixels, row["grid_area"])
    height, width = (side / max(seen.shape[:2]) for side in seen.shape[:2])
    tile.imshow(seen, extent=(0, width, height, 0))
    before = unpack(clean["kept"].iloc[0], tokens)
    here, on_clean = (mask[tokens - rows * columns :].reshape(rows, columns) for mask in (kept, before))
    tile.imshow(_veil(here, on_clean), extent=(0, width, height, 0), interpolation="nearest")
    if picture.objects is not None:
        mask = _area(picture.objects, row["grid_area"])
        if 0 < mask.sum() < mask.size:
            x, y = ((np.arange(side) + 0.5) / max(mask.shape) for side in mask.shape[::-1])
            tile.contour(x, y, mask, levels=[0.5], colors=_OUTLINE, linewidths=0.9)
    tile.set(xticks=[], yticks=[], aspect="equal")
    for spine in tile.spines.values():
        spine.set_visible(False)
    right = row["score"] >= 0.5
    tile.set_title(
        plain(f"{textwrap.shorten(row['prediction'], 14, placeholder='…')} {'✓' if right else '✗'}"),
        color=INK if right else "#b3261e",
        fontsize=8,
    )
    agreement = kappa_masks(kept[None], before[None])[0]
    if row["severity"] and np.isfinite(agreement):
        tile.set_title(f"κ {agreement:.2f}".replace("-", "−"), loc="right", fontsize=8, color=GREY)


def _veil(kept: np.ndarray, kept_on_clean: np.ndarray) -> np.ndarray:
    """Colours [rows, columns, 4] over the patches, by whether they are kept here and on the clean image."""
    veil = np.zeros((*kept.shape, 4))
    veil[~kept & ~kept_on_clean] = _NEITHER
    veil[~kept & kept_on_clean] = _CLEAN_ONLY
    veil[kept & ~kept_on_clean] = _CORRUPTED_ONLY
    return veil


def _legend(figure: Figure) -> None:
    words = {
        _CLEAN_ONLY: "kept on the clean image only",
        _CORRUPTED_ONLY: "kept here only",
        _NEITHER: "on neither",
    }
    handles = [
        Patch(facecolor=color, edgecolor=GREY, linewidth=0.5, label=text) for color, text in words.items()
    ]
    left = 0.25 / figure.get_figwidth()
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(left, 0), ncols=3, fontsize=8, borderpad=0.1,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def unpack(packed: bytes, tokens: int) -> np.ndarray:
    """Bool mask [tokens] from the record's packed bits."""
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=tokens).astype(bool)


def read_grids(text: str) -> list[tuple[int, int]]:
    """Rows and columns of each grid in the record's column: ``24x24+36x48`` has two."""
    sides = [grid.split("x") for grid in text.split("+")]
    return [(int(rows), int(columns)) for rows, columns in sides]


def _area(image: np.ndarray, area: str) -> np.ndarray:
    """Cut an image [H, W, 3] or mask [H, W] to what a grid lies over, or surround it with nothing."""
    height, width = image.shape[:2]
    if area == "centre":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return image[top : top + side, left : left + side]
    if area == "padded":
        side = max(height, width)
        down, across = side - height, side - width
        margins = [(down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0)]
        return np.pad(image, margins[: image.ndim])
    return image
