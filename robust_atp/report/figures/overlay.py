"""Which tokens stay, drawn onto the picture."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import GREY, INK, journal_style
from robust_atp.report.order import readable
from robust_atp.report.pictures import Picture
from robust_atp.stability import kappa_masks

_VEIL = (1.0, 1.0, 1.0, 0.8)
_OUTLINE = "#f0b400"


def overlay(pictures: Mapping[tuple[str, int], Picture]) -> Figure:
    """Draw one row per intervention and one column per arm; dropped patches are veiled, objects outlined.

    ``pictures`` maps (intervention, severity) to what ``report.pictures`` recreated; the clean image comes
    first. Above each tile stand the answer, whether it is right, and κ with the set kept on the clean image.
    Pictures are shown as the square that CLIP's processor cuts from their middle.
    """
    first = next(iter(pictures.values())).rows
    arms = arms_of(first)
    with journal_style():
        size = (1.55 * len(arms), 1.85 * len(pictures) + 0.45)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
        tiles = figure.subplots(len(pictures), len(arms), squeeze=False)
        for row, ((name, severity), picture) in enumerate(pictures.items()):
            for tile, arm in zip(tiles[row], arms, strict=True):
                _tile(tile, picture, arm, clean=rows_of(first, arm))
            tiles[row, 0].set_ylabel(readable(name) + (f" {severity}" if severity else ""))
        for tile, arm in zip(tiles[0], arms, strict=True):
            tile.annotate(arm.label, (0, 1.19), xycoords="axes fraction", fontsize=9, fontweight="bold")
        asked, answer = first["question"].iloc[0], first["answer"].iloc[0]
        figure.suptitle(
            textwrap.fill(_plain(f"{asked}   ({answer})"), int(15 * len(arms))), x=0.01, ha="left", fontsize=9
        )
    return figure


def _tile(tile: Axes, picture: Picture, arm: Arm, clean: pd.DataFrame) -> None:
    row = rows_of(picture.rows, arm).iloc[0]
    rows, columns = (int(side) for side in row["grid"].split("x"))
    kept = unpack(row["kept"], rows * columns)
    square = _central_square(picture.pixels)
    tile.imshow(square, extent=(0, 1, 1, 0))
    veil = np.zeros((rows, columns, 4))
    veil[~kept.reshape(rows, columns)] = _VEIL
    tile.imshow(veil, extent=(0, 1, 1, 0), interpolation="nearest")
    if picture.objects is not None:
        mask = _central_square(picture.objects)
        if 0 < mask.sum() < mask.size:
            x, y = ((np.arange(side) + 0.5) / side for side in mask.shape[::-1])
            tile.contour(x, y, mask, levels=[0.5], colors=_OUTLINE, linewidths=0.9)
    tile.set(xticks=[], yticks=[], aspect="equal")
    for spine in tile.spines.values():
        spine.set_visible(False)
    right = row["score"] >= 0.5
    tile.set_title(
        _plain(f"{textwrap.shorten(row['prediction'], 14, placeholder='…')} {'✓' if right else '✗'}"),
        color=INK if right else "#b3261e",
        fontsize=8,
    )
    agreement = kappa_masks(kept[None], unpack(clean["kept"].iloc[0], rows * columns)[None])[0]
    if row["severity"] and np.isfinite(agreement):
        tile.annotate(
            f"κ {agreement:.2f}".replace("-", "−"),
            (1, 1.03),
            xycoords="axes fraction",
            ha="right",
            fontsize=8,
            color=GREY,
        )


def unpack(packed: bytes, tokens: int) -> np.ndarray:
    """Bool mask [tokens] from the record's packed bits."""
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=tokens).astype(bool)


def _central_square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _plain(text: str) -> str:
    """Matplotlib reads dollar signs as mathematics; a question about prices is not."""
    return text.replace("$", r"\$")
