"""Two or more values of one arm on one line: for gaps and for control images."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import INK, Look, journal_style, looks


def dumbbell(
    table: pd.DataFrame,
    quantities: Mapping[str, str],
    label: str,
    *,
    notes: Mapping[tuple[str, Arm], str] | None = None,
) -> Figure:
    """Draw the named ``quantities`` of each arm as marks on a line, one block of lines per backbone.

    ``quantities`` maps values of the column ``quantity`` to words for the legend; the first is a filled mark,
    the others are open. ``notes`` maps (backbone, arm) to a text at the right end of its line.
    """
    backbones = list(dict.fromkeys(table["backbone"]))
    arms = arms_of(table)
    look = looks(arm.pruner for arm in arms)
    with journal_style():
        size = (7.6, (0.27 * len(arms) + 0.45) * len(backbones) + 0.7)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(backbones), 1, sharex=True, squeeze=False)[:, 0]
        for panel, backbone in zip(panels, backbones, strict=True):
            rows = table[table["backbone"] == backbone]
            panel.set_title(backbone)
            panel.set_yticks(range(len(arms)), [arm.label for arm in arms])
            panel.set_ylim(len(arms) - 0.5, -0.5)
            panel.spines["left"].set_visible(False)
            panel.grid(visible=True, axis="x")
            panel.grid(visible=False, axis="y")
            for y, arm in enumerate(arms):
                _line(panel, y, rows_of(rows, arm), list(quantities), look[arm.pruner])
                note = (notes or {}).get((backbone, arm), "")
                panel.annotate(note, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        panels[-1].set_xlabel(label)
        handles = [Line2D([], [], **_mark(i, INK), label=text) for i, text in enumerate(quantities.values())]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.3)
    return figure


def _line(panel: Axes, y: float, rows: pd.DataFrame, quantities: list[str], look: Look) -> None:
    rows = rows.set_index("quantity").reindex(quantities)
    values = 100 * rows["value"]
    panel.plot([values.min(), values.max()], [y, y], color=look.color, linewidth=1, alpha=0.35, zorder=1)
    for i, (value, lo, hi) in enumerate(zip(values, 100 * rows["lo"], 100 * rows["hi"], strict=True)):
        panel.plot(
            [lo, hi], [y, y], color=look.color, linewidth=3.4, alpha=0.25, solid_capstyle="butt", zorder=2
        )
        panel.plot([value], [y], **_mark(i, look.color), zorder=3)


def _mark(position: int, color: str) -> dict[str, Any]:
    """The first quantity is a filled circle, the second an open one, the third an open diamond."""
    return {
        "linestyle": "",
        "marker": "ooD"[position % 3],
        "markersize": 6,
        "markerfacecolor": color if position == 0 else "white",
        "markeredgecolor": color,
        "markeredgewidth": 1.3,
    }
