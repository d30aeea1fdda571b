"""The excess drop of every cell at a glance."""

import math

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.style import journal_style, points
from robust_atp.report.order import by_family, readable

_ALPHA = 0.05


def excess_heatmap(excess: pd.DataFrame) -> Figure:
    """Draw the excess drop in points, corruption × severity, one panel per arm of one backbone and data set.

    Red: pruning costs extra; blue: it costs less than on clean images. A bold number with a dot differs from
    0 after correction for the number of cells of its arm.
    """
    corruptions = by_family(excess["intervention"].unique())
    arms = sorted(arms_of(excess), key=lambda arm: arm.is_control)
    limit = max(100 * excess["value"].abs().max(), 1.0)
    with journal_style():
        # Wide enough for its title even where there is one severity.
        width = max(0.35 + 0.52 * excess["severity"].nunique(), 1.5)
        columns = min(len(arms), max(4, int(9 / width)))
        rows = math.ceil(len(arms) / columns)
        size = (2.6 + width * columns, 0.6 + (0.3 + 0.29 * len(corruptions)) * rows)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for unused in panels[len(arms) :]:
            unused.remove()
        panels = panels[: len(arms)]
        for panel, arm in zip(panels, arms, strict=True):
            panel.set_title(arm.title)
            _draw(panel, rows_of(excess, arm), corruptions, limit)
        bar = figure.colorbar(panels[0].collections[0], ax=list(panels), shrink=0.8, aspect=28, pad=0.015)
        bar.outline.set_visible(False)
        bar.set_label("extra points lost")
        figure.supxlabel("severity", fontsize=9)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, corruptions: list[str], limit: float) -> None:
    grid = rows.pivot(index="intervention", columns="severity", values="value").reindex(corruptions)
    significant = (
        rows.pivot(index="intervention", columns="severity", values="p_adjusted").reindex(corruptions)
        < _ALPHA
    )
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
    panel.set_yticklabels([readable(name) for name in corruptions], rotation=0)
    panel.tick_params(length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
