"""What a token buys: accuracy against the tokens that enter the language model."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from robust_atp.report.figures.style import INK, journal_style, looks

_PANELS = {"clean": "clean images", "corrupted": "corrupted images, mean"}


def frontier(overview: pd.DataFrame) -> Figure:
    """Draw accuracy with its interval over tokens (log scale), clean beside corrupted, one line per pruner.

    ``overview`` is that of one backbone and data set, with the column ``tokens_llm``. The unpruned model is a
    level, because everything else is measured against it.
    """
    look = looks(overview["pruner"])
    with journal_style():
        figure = Figure(figsize=(7.6, 2.9), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (condition, title) in zip(panels, _PANELS.items(), strict=True):
            rows = overview[overview["condition"] == condition]
            panel.set_title(title)
            _unpruned(panel, rows[rows["pruner"] == "none"])
            lines = rows[rows["pruner"] != "none"].groupby("pruner")
            for place, (key, line) in enumerate(lines):
                pruner = str(key)
                line = line.sort_values("tokens_llm")
                error = 100 * pd.concat([line["value"] - line["lo"], line["hi"] - line["value"]], axis=1).T
                # Methods share their budgets: a few per cent aside, and no interval hides another.
                tokens = line["tokens_llm"] * 1.03**place
                panel.errorbar(
                    tokens, 100 * line["value"], yerr=error, color=look[pruner].color,
                    marker=look[pruner].marker, linestyle=look[pruner].dashes, elinewidth=1, markersize=5,
                    label=pruner,
                )  # fmt: skip
            _token_axis(panel, sorted(rows["tokens_llm"].round().astype(int).unique()))
        panels[0].set_ylabel("accuracy (%)")
        figure.supxlabel("visual tokens entering the language model", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def _unpruned(panel: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    value, lo, hi, tokens = rows[["value", "lo", "hi", "tokens_llm"]].iloc[0]
    panel.axhspan(100 * lo, 100 * hi, color=INK, alpha=0.07, linewidth=0)
    panel.axhline(100 * value, color=INK, linewidth=1.2, label="unpruned")
    panel.plot([tokens], [100 * value], color=INK, marker="o", markersize=5)


def _token_axis(panel: Axes, ticks: list[int]) -> None:
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticklabels([str(tick) for tick in ticks])
