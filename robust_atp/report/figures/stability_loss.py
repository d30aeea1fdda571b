"""Does what changes in the kept set cost anything? One point per cell."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.panels import legend_above
from robust_atp.report.figures.style import INK, Look, journal_style, looks

# Column of the stability -> (its interval, what the axis says).
_MEASURES: Mapping[str, tuple[str, str, str]] = {
    "kappa": ("kappa_lo", "kappa_hi", "κ with the set kept on the clean image"),
    "content": ("content_lo", "content_hi", "content stability (the image's part of κ)"),
}


def stability_against_loss(cells: pd.DataFrame) -> Figure:
    """Draw the excess drop over the stability of the kept set, with 95 % intervals both ways.

    ``cells`` holds one backbone and data set, a row per arm, corruption and severity: ``value``, ``lo``, ``hi``
    of the excess drop and the columns of ``_MEASURES``. Larger marks are higher severities.
    """
    measures = [name for name in _MEASURES if cells[name].notna().any()]
    arms = arms_of(cells)
    look = looks(arm.pruner for arm in arms)
    with journal_style():
        figure = Figure(figsize=(4.2 * len(measures), 3.4), layout="constrained")
        panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for panel, measure in zip(panels, measures, strict=True):
            panel.axhline(0, color=INK, linewidth=0.8, zorder=1)
            panel.set_xlabel(_MEASURES[measure][2])
            for arm in arms:
                _points(panel, rows_of(cells, arm), measure, look[arm.pruner])
        panels[0].set_ylabel("extra points lost")
        legend_above(
            figure,
            [
                Line2D([], [], color=look[arm.pruner].color, marker=look[arm.pruner].marker, linestyle="",
                       markersize=5, label=arm.label)
                for arm in arms
            ],
        )  # fmt: skip
    return figure


def _points(panel: Axes, rows: pd.DataFrame, measure: str, look: Look) -> None:
    lo, hi, _ = _MEASURES[measure]
    panel.hlines(100 * rows["value"], rows[lo], rows[hi], color=look.color, linewidth=0.7, alpha=0.45)
    panel.vlines(
        rows[measure], 100 * rows["lo"], 100 * rows["hi"], color=look.color, linewidth=0.7, alpha=0.45
    )
    panel.scatter(
        rows[measure], 100 * rows["value"], s=12 + 7 * rows["severity"],
        color=look.color, marker=look.marker, edgecolor="white", linewidth=0.5, zorder=3,
    )  # fmt: skip
