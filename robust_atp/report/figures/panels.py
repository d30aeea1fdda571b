"""Small multiples on shared axes."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_atp.report.figures.style import Look
from robust_atp.report.order import readable


def panel_grid(count: int, rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """``count`` panels in reading order on a grid of ``rows`` x ``columns``; ``size`` in inches."""
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for unused in grid[count:]:
        unused.remove()
    for panel in grid[max(count - columns, 0) : count]:
        # A panel above a hole is the last of its column, and sharex would leave it without tick labels.
        panel.tick_params(labelbottom=True)
    return figure, list(grid[:count])


def corruption_panels(corruptions: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """One panel per corruption, named above it, to hold curves over severity."""
    columns = len(corruptions) if len(corruptions) <= 4 else min(5, math.ceil(len(corruptions) / 2))
    rows = math.ceil(len(corruptions) / columns)
    size = (min(2.9 * columns, 9.0), 1.8 * rows + 0.6)
    figure, panels = panel_grid(len(corruptions), rows, columns, size)
    for panel, corruption in zip(panels, corruptions, strict=True):
        panel.set_title(readable(corruption))
    return figure, panels


def handle(look: Look, label: str) -> Line2D:
    """A legend entry for a curve."""
    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.dashes, label=label)


def finish(
    figure: Figure, panels: Sequence[Axes], severities: Iterable[int], handles: Sequence[Artist], label: str
) -> None:
    """Name the axes of curves over ``severities`` and put the legend above them."""
    ticks = sorted(set(severities))
    panels[0].set_xticks(ticks, ["clean" if tick == 0 else str(tick) for tick in ticks])
    figure.supylabel(label, fontsize=9)
    figure.supxlabel("severity", fontsize=9)
    legend_above(figure, handles)


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """As many columns as fit; further lines take their room from nothing but the height of the page."""
    columns = max(int(figure.get_figwidth() / 2.2), 1)
    figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(handles) / columns) - 1))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=2.2)
