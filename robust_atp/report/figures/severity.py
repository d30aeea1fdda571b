"""Curves over severity, one small panel per corruption."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.panels import panel_grid
from robust_atp.report.figures.style import GREY, Look, journal_style, looks
from robust_atp.report.order import by_family, readable


def severity_curves(
    table: pd.DataFrame,
    label: str,
    *,
    value: str = "value",
    reference: str | None = None,
    reference_label: str = "",
    scale: float = 100.0,
    floor: float | None = None,
    floor_label: str = "",
) -> Figure:
    """Draw ``value`` with its band lo..hi over severity, one line per arm and one panel per corruption.

    ``table`` holds one backbone and data set and at most one budget; a row with intervention ``clean``
    becomes severity 0 of every panel. ``reference`` names a column drawn as a dotted line of the arm's colour,
    ``floor`` a dotted grey level across all panels. ``scale`` turns shares into what ``label`` says.
    """
    corruptions = by_family(table.loc[table.severity > 0, "intervention"].unique())
    arms = arms_of(table)
    look = looks(arm.pruner for arm in arms)
    with journal_style():
        figure, panels = _panels(len(corruptions))
        for panel, corruption in zip(panels, corruptions, strict=True):
            panel.set_title(readable(corruption))
            rows = table[table.intervention.isin(("clean", corruption))]
            if floor is not None:
                panel.axhline(scale * floor, color=GREY, linewidth=0.9, linestyle=":")
            for arm in arms:
                line = rows_of(rows, arm).sort_values("severity")
                _curve(panel, line, look[arm.pruner], value, reference, scale)
        handles = [_handle(look[arm.pruner], arm.label) for arm in arms]
        if reference:
            handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1.2, label=reference_label))
        if floor is not None:
            handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=0.9, label=floor_label))
        _finish(figure, panels, handles, label)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = count if count <= 4 else min(5, math.ceil(count / 2))
    rows = math.ceil(count / columns)
    return panel_grid(count, rows, columns, (min(2.9 * columns, 9.0), 1.8 * rows + 0.6))


def _curve(
    panel: Axes, rows: pd.DataFrame, look: Look, value: str, reference: str | None, scale: float
) -> None:
    x = rows["severity"].to_numpy(float)
    line: dict[str, Any] = {"color": look.color, "solid_capstyle": "round"}
    panel.plot(x, scale * rows[value], marker=look.marker, linestyle=look.dashes, markeredgewidth=0, **line)
    panel.fill_between(x, scale * rows["lo"], scale * rows["hi"], color=look.color, alpha=0.14, linewidth=0)
    if reference:
        panel.plot(x, scale * rows[reference], linestyle=":", linewidth=1.2, **line)


def _handle(look: Look, label: str) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.dashes, label=label)


def _finish(figure: Figure, panels: Sequence[Axes], handles: list[Line2D], label: str) -> None:
    lowest, highest = panels[0].get_xlim()
    ticks = np.arange(math.ceil(lowest), math.floor(highest) + 1)
    panels[0].set_xticks(ticks, ["clean" if tick == 0 else str(tick) for tick in ticks])
    figure.supylabel(label, fontsize=9)
    figure.supxlabel("severity", fontsize=9)
    columns = max(int(figure.get_figwidth() / 2.2), 1)
    # The legend's further lines must not take their room from the panels.
    figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(handles) / columns) - 1))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=2.2)
