"""What an operation buys: accuracy against the cost of the language model's prefill."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.typing import LineStyleType

from robust_atp.report.arms import two_lines
from robust_atp.report.figures.panels import panel_grid
from robust_atp.report.figures.style import GREY, INK, Look, journal_style, looks

# Condition -> (words, whether marks are filled, how levels and lines are dashed).
_CONDITIONS: dict[str, tuple[str, bool, LineStyleType]] = {
    "clean": ("clean images", True, "-"),
    "corrupted": ("corrupted images, mean", False, "--"),
}
_ACROSS = 6  # panels beside each other
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def frontier(overview: pd.DataFrame) -> Figure:
    """Draw accuracy with its interval over prefill operations (log scale): a small panel for each method.

    ``overview`` is that of one backbone and data set, with the column ``prefill_flops``, drawn as a share of the
    unpruned model's. Panels share their axes, so that methods are compared by eye without a legend of twenty
    colours. What a method is measured against is in every panel: the unpruned model as a level for clean and
    one for corrupted images, and random pruning in grey.
    """
    whole = overview.loc[overview["pruner"] == "none", "prefill_flops"].mean()
    overview = overview.assign(cost=100 * overview["prefill_flops"] / whole)
    look = looks(overview["pruner"])
    methods = sorted(set(overview["pruner"]) - {"none", "random"}) or ["random"]
    with journal_style():
        figure, panels = _panels(len(methods))
        for panel, method in zip(panels, methods, strict=True):
            panel.set_title(two_lines(method))
            for condition, (_, filled, dashes) in _CONDITIONS.items():
                here = overview[overview["condition"] == condition]
                _level(panel, here[here["pruner"] == "none"], dashes)
                _background(panel, here[here["pruner"] == "random"], dashes)
                _line(panel, here[here["pruner"] == method], look[method], filled, dashes)
        panels[0].set_xscale("log")
        panels[0].xaxis.set_major_locator(FixedLocator(_TICKS))
        panels[0].xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
        panels[0].xaxis.set_minor_locator(NullLocator())
        figure.supylabel("accuracy (%)", fontsize=9)
        figure.supxlabel("operations of the prefill (% of the unpruned model's)", fontsize=9)
        figure.legend(handles=_handles(overview), loc="outside upper left", ncols=2, handlelength=2.6)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    rows = math.ceil(count / _ACROSS)
    columns = math.ceil(count / rows)
    size = (min(2.4 * columns + 2.0, 9.4), (1.5 if rows > 1 else 2.0) * rows + 1.0)
    return panel_grid(count, rows, columns, size)


def _level(panel: Axes, rows: pd.DataFrame, dashes: LineStyleType) -> None:
    for value, lo, hi, cost in rows[["value", "lo", "hi", "cost"]].itertuples(index=False):
        panel.axhspan(100 * lo, 100 * hi, color=INK, alpha=0.05, linewidth=0)
        panel.axhline(100 * value, color=INK, linewidth=0.9, linestyle=dashes)
        panel.plot([cost], [100 * value], color=INK, marker="|", markersize=6)


def _background(panel: Axes, rows: pd.DataFrame, dashes: LineStyleType) -> None:
    rows = rows.sort_values("cost")
    panel.plot(rows["cost"], 100 * rows["value"], color=GREY, linewidth=1.1, linestyle=dashes)


def _line(panel: Axes, rows: pd.DataFrame, look: Look, filled: bool, dashes: LineStyleType) -> None:
    rows = rows.sort_values("cost")
    error = 100 * pd.concat([rows["value"] - rows["lo"], rows["hi"] - rows["value"]], axis=1).T
    panel.errorbar(
        rows["cost"], 100 * rows["value"], yerr=error.clip(lower=0).to_numpy(), color=look.color,
        marker="o", linestyle=dashes, elinewidth=1, markersize=4.5, linewidth=1.2,
        markerfacecolor=look.color if filled else "white",
    )  # fmt: skip


def _handles(overview: pd.DataFrame) -> list[Line2D]:
    present = [entry for name, entry in _CONDITIONS.items() if name in set(overview["condition"])]
    marks = [
        Line2D([], [], color=INK, marker="o", markerfacecolor=INK if filled else "white", linestyle=dashes,
               linewidth=1.2, label=words)
        for words, filled, dashes in present
    ]  # fmt: skip
    levels = [Line2D([], [], color=INK, linewidth=0.9, label="the unpruned model (level)")]
    random = [Line2D([], [], color=GREY, linewidth=1.1, label="random pruning")]
    return marks + levels + (random if "random" in set(overview["pruner"]) else [])
