"""Losses with their intervals, line by line, against a margin."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import GREY, INK, amount, journal_style, points
from robust_atp.report.tables.noninferiority import OPEN, REFUTED, SHOWN

# Condition -> what stands above its panels.
_CONDITIONS = {"clean": "clean images", "corrupted": "corrupted images, mean"}


class _Mark(NamedTuple):
    color: str
    marker: str
    filled: bool


# Told apart by shape as well, for whoever prints in grey.
_MARKS: Mapping[str, _Mark] = {
    SHOWN: _Mark("#00735c", "o", True),
    OPEN: _Mark(GREY, "s", False),
    REFUTED: _Mark("#c4500a", "D", True),
}


def forest(losses: pd.DataFrame) -> Figure:
    """Draw the loss of each arm in points against its ``margin``, a block per data set.

    ``losses`` holds one backbone of the table of non-inferiority on the scale of losses: thin ``lo`` to ``hi``,
    thick ``lo_tost`` to ``bound``, whose ends are the one-sided bounds that decide the ``verdict``.
    """
    margin = float(losses["margin"].iloc[0])
    conditions = [name for name in _CONDITIONS if (losses["condition"] == name).any()]
    blocks = list(dict.fromkeys(losses[["dataset", "split"]].itertuples(index=False, name=None)))
    here = {
        block: losses[(losses["dataset"] == block[0]) & (losses["split"] == block[1])] for block in blocks
    }
    arms = {block: arms_of(here[block]) for block in blocks}
    with journal_style():
        heights = [0.21 * len(arms[block]) + 0.3 for block in blocks]
        figure = Figure(figsize=(2.2 + 3.3 * len(conditions), sum(heights) + 0.8), layout="constrained")
        grid = figure.subplots(
            len(blocks), len(conditions), sharex=True, sharey="row", squeeze=False, height_ratios=heights
        )
        for panels, block in zip(grid, blocks, strict=True):
            for panel, condition in zip(panels, conditions, strict=True):
                rows = here[block]
                _block(panel, rows[rows["condition"] == condition], arms[block], margin)
                panel.set_title(f"{block[0]}, {_CONDITIONS[condition]}")
        for panel in grid[-1]:
            panel.set_xlabel("points lost against the unpruned model")
        figure.legend(
            handles=_handles(margin), loc="outside upper left", ncols=len(_MARKS) + 1, handletextpad=0.4
        )
    return figure


def _block(panel: Axes, rows: pd.DataFrame, arms: list[Arm], margin: float) -> None:
    panel.set_yticks(range(len(arms)), [arm.label for arm in arms])
    panel.set_ylim(len(arms) - 0.5, -0.5)
    panel.spines["left"].set_visible(False)
    panel.grid(visible=False)
    panel.axvline(0, color=INK, linewidth=0.8)
    panel.axvline(100 * margin, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    for y, arm in enumerate(arms):
        for row in rows_of(rows, arm).to_dict("records"):
            mark = _MARKS[row["verdict"]]
            panel.plot([100 * row["lo"], 100 * row["hi"]], [y, y], color=mark.color, linewidth=0.9)
            panel.plot(
                [100 * row["lo_tost"], 100 * row["bound"]], [y, y],
                color=mark.color, linewidth=2.6, solid_capstyle="butt",
            )  # fmt: skip
            panel.plot([100 * row["value"]], [y], **_style(mark))
            if np.isfinite(row["value"]):
                panel.annotate(
                    points(row["value"]),
                    (1.01, y),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=7.5,
                )


def _style(mark: _Mark) -> dict:
    return {
        "linestyle": "",
        "marker": mark.marker,
        "markersize": 4.8,
        "color": mark.color,
        "markerfacecolor": mark.color if mark.filled else "white",
    }


def _handles(margin: float) -> list[Line2D]:
    marks = [Line2D([], [], **_style(mark), label=word) for word, mark in _MARKS.items()]
    dashed = Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    dashed.set_label(f"margin: {amount(margin)}")
    return [*marks, dashed]
