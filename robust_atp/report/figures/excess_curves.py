"""The excess drop over severity, with bands that hold for a whole curve."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.panels import corruption_panels, finish, handle
from robust_atp.report.figures.style import GREY, INK, TINT, Look, amount, journal_style, looks
from robust_atp.report.order import by_family


def excess_curves(excess: pd.DataFrame, margin: float) -> Figure:
    """Draw X in points over severity, one line per arm and one panel per corruption.

    ``excess`` holds one backbone and data set and at most one budget. Bands run from ``sim_lo`` to ``sim_hi``. On
    clean images X is 0 by definition, where all curves begin. Shaded: extra losses below ``margin``, a share.
    """
    corruptions = by_family(excess["intervention"].unique())
    arms = arms_of(excess)
    look = looks(arm.pruner for arm in arms)
    with journal_style():
        figure, panels = corruption_panels(corruptions)
        for panel, corruption in zip(panels, corruptions, strict=True):
            rows = excess[excess["intervention"] == corruption]
            for arm in arms:
                _curve(panel, rows_of(rows, arm).sort_values("severity"), look[arm.pruner])
        lowest = min(panels[0].get_ylim()[0], -100 * margin)
        for panel in panels:
            panel.axhspan(lowest, 100 * margin, color=TINT, linewidth=0, zorder=0)
            panel.axhline(100 * margin, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
            panel.axhline(0, color=INK, linewidth=0.8, zorder=1)
        panels[0].set_ylim(bottom=lowest)
        region = Patch(
            facecolor=TINT, edgecolor=GREY, linewidth=0.5, label=f"less than {amount(margin)} extra"
        )
        handles = [*(handle(look[arm.pruner], arm.label) for arm in arms), region]
        finish(figure, panels, [0, *excess["severity"]], handles, "extra points lost")
    return figure


def _curve(panel: Axes, rows: pd.DataFrame, look: Look) -> None:
    x, value, lo, hi = (
        np.append(0.0, scale * rows[column])
        for column, scale in (("severity", 1), ("value", 100), ("sim_lo", 100), ("sim_hi", 100))
    )
    panel.plot(
        x, value, color=look.color, marker=look.marker, linestyle=look.dashes, markeredgewidth=0, zorder=3
    )
    panel.fill_between(x, lo, hi, color=look.color, alpha=0.14, linewidth=0, zorder=2)
