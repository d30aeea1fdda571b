"""How often an arm loses how much: its extra losses over all cells."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from robust_atp.report.arms import arms_of, rows_of
from robust_atp.report.figures.panels import handle, legend_above
from robust_atp.report.figures.style import GREY, INK, journal_style, looks


def performance_profile(excess: pd.DataFrame, margin: float) -> Figure:
    """Draw the share of cells (corruption × severity) in which an arm loses at most x extra points.

    A line further to the left and top is better. ``excess`` holds one backbone and data set; ``margin`` is a share.
    """
    arms = arms_of(excess)
    look = looks(arm.pruner for arm in arms)
    reach = 100 * max(excess["value"].abs().max(), margin) * 1.08
    with journal_style():
        figure = Figure(figsize=(6.6, 3.0), layout="constrained")
        panel = figure.subplots()
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.axvline(100 * margin, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        for arm in arms:
            losses = np.sort(100 * rows_of(excess, arm)["value"].dropna())
            share = 100 * np.arange(len(losses) + 1) / max(len(losses), 1)
            panel.step(
                np.concatenate([[-reach], losses, [reach]]), np.append(share, share[-1]), where="post",
                color=look[arm.pruner].color, linestyle=look[arm.pruner].dashes, linewidth=1.4,
                marker=look[arm.pruner].marker, markevery=range(1, len(losses) + 1), markeredgewidth=0,
            )  # fmt: skip
        panel.set(
            xlim=(-reach, reach),
            ylim=(0, 103),
            ylabel="cells (%)",
            xlabel="at most this many extra points lost",
        )
        legend_above(figure, [handle(look[arm.pruner], arm.label) for arm in arms])
    return figure
