"""The excess drop of every cell at a glance."""

import math

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import journal_style, points
from robust_atp.report.order import by_family, readable

_ALPHA = 0.05


def excess_heatmap(excess: pd.DataFrame) -> Figure:
    """Draw the excess drop in points, for the arms of one backbone and data set.

    Corruption × severity with one panel per arm; where there is one severity, arm × corruption in one panel.
    Red: pruning costs extra; blue: it costs less than on clean images. A bold number with a dot differs from
    0 after correction for the number of cells of its arm. Corruptions are in the order of their families.
    """
    arms = sorted(arms_of(excess), key=lambda arm: arm.is_control)
    corruptions = by_family(excess["intervention"].unique())
    limit = max(100 * excess["value"].abs().max(), 1.0)
    with journal_style():
        if excess["severity"].nunique() > 1:
            figure, panels = _panel_per_arm(excess, arms, corruptions, limit)
            figure.supxlabel("severity", fontsize=9)
        else:
            figure, panels = _one_panel(excess, arms, corruptions, limit)
        bar = figure.colorbar(panels[0].collections[0], ax=panels, shrink=0.8, aspect=28, pad=0.015)
        bar.outline.set_visible(False)
        bar.set_label("extra points lost")
    return figure


def _panel_per_arm(
    excess: pd.DataFrame, arms: list[Arm], corruptions: list[str], limit: float
) -> tuple[Figure, list[Axes]]:
    width = max(0.35 + 0.52 * excess["severity"].nunique(), 1.5)
    columns = min(len(arms), max(4, int(9 / width)))
    rows = math.ceil(len(arms) / columns)
    size = (2.6 + width * columns, 0.6 + (0.3 + 0.29 * len(corruptions)) * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for unused in grid[len(arms) :]:
        unused.remove()
    panels = list(grid[: len(arms)])
    for panel, arm in zip(panels, arms, strict=True):
        cells = rows_of(excess, arm).pivot(index="intervention", columns="severity")
        _draw(panel, cells.reindex(corruptions), limit)
        panel.set_title(arm.title)
        panel.set_yticklabels([readable(name) for name in corruptions], rotation=0)
    return figure, panels


def _one_panel(
    excess: pd.DataFrame, arms: list[Arm], corruptions: list[str], limit: float
) -> tuple[Figure, list[Axes]]:
    size = (3.4 + 0.75 * len(corruptions), 1.3 + 0.24 * len(arms))
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    labels = [arm.label for arm in arms]
    named = excess.assign(
        arm=[Arm(*row).label for row in zip(*(excess[field] for field in Arm._fields), strict=True)]
    )
    cells = named.pivot(index="arm", columns="intervention").reindex(index=labels)
    _draw(panel, cells.reindex(columns=corruptions, level="intervention"), limit)
    panel.set_title(f"severity {excess['severity'].iloc[0]}", pad=8)
    panel.xaxis.tick_top()
    panel.set_xticklabels([readable(name) for name in corruptions], rotation=35, ha="left")
    panel.set_yticklabels(labels, rotation=0)
    return figure, [panel]


def _draw(panel: Axes, cells: pd.DataFrame, limit: float) -> None:
    """``cells`` is a pivoted table with the columns ``value`` and ``p_adjusted`` on top."""
    grid, significant = cells["value"], cells["p_adjusted"] < _ALPHA
    text = grid.map(lambda share: "" if np.isnan(share) else points(share, 0)).to_numpy()
    text = np.where(significant, np.char.add(text.astype(str), " •"), text)
    panel.grid(visible=False)
    panel.set_facecolor("#eeeeee")
    seaborn.heatmap(
        100 * grid, ax=panel, cmap="vlag", vmin=-limit, vmax=limit, annot=text, fmt="", cbar=False,
        linewidths=1.2, linecolor="white", annot_kws={"fontsize": 8},
    )  # fmt: skip
    for label, bold in zip(panel.texts, significant.to_numpy()[grid.notna().to_numpy()], strict=True):
        label.set_fontweight("bold" if bold else "normal")
    panel.set(xlabel="", ylabel="")
    panel.tick_params(length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
