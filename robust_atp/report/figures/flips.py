"""Answers that pruning spoils, mirrored by those that it mends."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.style import INK, journal_style

_CONDITIONS = {"clean": "clean images", "corrupted": "corrupted images, mean"}
# Apart in hue for the colour-blind and in lightness for grey print.
_SPOILT, _MENDED = "#c4500a", "#8fc3e8"


def flip_bars(flips: pd.DataFrame) -> Figure:
    """Draw right → wrong to the left and wrong → right to the right of 0, with the net change between them.

    ``flips`` holds one backbone and data set, and the columns ``condition``, ``spoilt``, ``mended`` (shares of all
    questions), ``net`` and its interval ``lo``, ``hi``.
    """
    arms = arms_of(flips)
    conditions = [name for name in _CONDITIONS if (flips["condition"] == name).any()]
    with journal_style():
        size = (2.2 + 3.3 * len(conditions), 0.25 * len(arms) + 1.1)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(conditions), sharex=True, sharey=True, squeeze=False)[0]
        for panel, condition in zip(panels, conditions, strict=True):
            panel.set_title(_CONDITIONS[condition])
            panel.set_yticks(range(len(arms)), [arm.label for arm in arms])
            panel.set_ylim(len(arms) - 0.5, -0.5)
            panel.spines["left"].set_visible(False)
            panel.grid(visible=False)
            for y, arm in enumerate(arms):
                _bars(panel, y, rows_of(flips[flips["condition"] == condition], arm))
            panel.axvline(0, color=INK, linewidth=0.8)
            panel.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        figure.supxlabel("answers changed (% of all)", fontsize=9)
        figure.legend(handles=_handles(), loc="outside upper left", ncols=3, handletextpad=0.5)
    return figure


def _bars(panel: Axes, y: float, rows: pd.DataFrame) -> None:
    for row in rows.to_dict("records"):
        panel.barh(y, -100 * row["spoilt"], height=0.62, color=_SPOILT)
        panel.barh(y, 100 * row["mended"], height=0.62, color=_MENDED)
        panel.plot([100 * row["lo"], 100 * row["hi"]], [y, y], color=INK, linewidth=1.1)
        panel.plot([100 * row["net"]], [y], **_net())


def _net() -> dict:
    return {"linestyle": "", "marker": "D", "markersize": 4.2, "color": INK, "markerfacecolor": "white"}


def _handles() -> list:
    return [
        Patch(color=_SPOILT, label="right → wrong"),
        Patch(color=_MENDED, label="wrong → right"),
        Line2D([], [], **_net(), label="net change in accuracy"),
    ]
