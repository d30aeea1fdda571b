"""Curves over severity, one small panel per corruption."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.panels import corruption_panels, finish, handle
from robust_atp.report.figures.style import GREY, Look, journal_style, looks
from robust_atp.report.order import by_family


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
        figure, panels = corruption_panels(corruptions)
        for panel, corruption in zip(panels, corruptions, strict=True):
            rows = table[table.intervention.isin(("clean", corruption))]
            if floor is not None:
                panel.axhline(scale * floor, color=GREY, linewidth=0.9, linestyle=":")
            for arm in arms:
                line = rows_of(rows, arm).sort_values("severity")
                _curve(panel, line, look[arm.pruner], value, reference, scale)
        handles = [handle(look[arm.pruner], arm.label) for arm in arms]
        if reference:
            handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1.2, label=reference_label))
        if floor is not None:
            handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=0.9, label=floor_label))
        finish(figure, panels, table["severity"], handles, label)
    return figure


def _curve(
    panel: Axes, rows: pd.DataFrame, look: Look, value: str, reference: str | None, scale: float
) -> None:
    x = rows["severity"].to_numpy(float)
    line: dict[str, Any] = {"color": look.color, "solid_capstyle": "round"}
    panel.plot(x, scale * rows[value], marker=look.marker, linestyle=look.dashes, markeredgewidth=0, **line)
    panel.fill_between(x, scale * rows["lo"], scale * rows["hi"], color=look.color, alpha=0.14, linewidth=0)
    if reference:
        panel.plot(x, scale * rows[reference], linestyle=":", linewidth=1.2, **line)
