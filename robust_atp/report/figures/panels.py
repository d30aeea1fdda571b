"""Small multiples on shared axes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
