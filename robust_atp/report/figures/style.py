"""One look for all figures, and files that are the same bytes for the same numbers."""

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import seaborn
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType

INK, GREY, RULE = "#1c1c1c", "#8c8c8c", "#e4e2dd"
_MARKERS = "osD^vP"

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#444444",
    "ytick.labelcolor": "#444444",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    # Matplotlib otherwise draws element ids at random, and no two renderings would share a hash.
    "svg.hashsalt": "robust-atp",
}


@dataclass(frozen=True)
class Look:
    """How one pruner is drawn, the same in every figure."""

    color: str
    marker: str
    dashes: LineStyleType


@contextmanager
def journal_style() -> Iterator[None]:
    """Apply the settings inside a with block only; a caller's own settings come back afterwards."""
    with matplotlib.rc_context(_SETTINGS):
        yield


def looks(pruners: Iterable[str]) -> dict[str, Look]:
    """Ink for the unpruned model, dashed grey for random, a colourblind palette for methods in name order."""
    methods = sorted(set(pruners) - {"none", "random"})
    palette = seaborn.color_palette("colorblind", max(len(methods), 1)).as_hex()
    table = {"none": Look(INK, "o", "-"), "random": Look(GREY, "s", (0, (4, 2)))}
    table |= {
        name: Look(palette[i % len(palette)], _MARKERS[(i + 2) % len(_MARKERS)], "-")
        for i, name in enumerate(methods)
    }
    return table


def points(share: float, digits: int = 1) -> str:
    """A difference of shares in signed points, with a real minus sign: ``+4.2``, ``−0.3``, ``0.0``, ``–`` for nan."""
    if math.isnan(share):
        return "–"
    text = f"{100 * share:+.{digits}f}"
    return (text[1:] if float(text) == 0 else text).replace("-", "−")


def svg(figure: Figure) -> bytes:
    """Render without a date, so that equal figures are equal files."""
    return _render(figure, "svg", metadata={"Date": None})


def png(figure: Figure, dpi: int = 160) -> bytes:
    """Render as pixels, for photographs and for places that cannot show SVG."""
    return _render(figure, "png", dpi=dpi, metadata={"Software": None})


def _render(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with journal_style():
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
