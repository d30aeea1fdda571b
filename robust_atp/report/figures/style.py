"""One look for all figures, and files that are the same bytes for the same numbers."""

import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import seaborn
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from matplotlib.typing import LineStyleType

INK, GREY, RULE, TINT = "#1c1c1c", "#8c8c8c", "#e4e2dd", "#ecefe8"
_MARKERS = "osD^vP"
_FOOTER_LETTERS = 19  # of the footer's size that fit on an inch
_LONG_NUMBER = re.compile(rb"-?\d+\.\d{3,}(?![\d.])")
_TAG = re.compile(rb"<[^>]+>")
_NEEDLESS = {
    rb"(?s)<!DOCTYPE[^>]*>": b"",
    rb"(?s)<metadata>.*?</metadata>": b"",
    rb'<g id="[^"]*">': b"<g>",  # only definitions are referred to
    rb">\s+<": b"><",
    rb' transform="rotate\(-0 [^"]*"': b"",
    # Once for all texts instead of once for each.
    rb"font-family: 'DejaVu Sans', sans-serif; ": b"",
    rb"<svg ": b"<svg font-family=\"'DejaVu Sans', sans-serif\" ",
}

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


def amount(share: float) -> str:
    """A size in points, in words: ``1 point``, ``2.5 points``."""
    return f"{100 * share:.3g} point{'' if math.isclose(share, 0.01) else 's'}"


def svg(figure: Figure, footer: str = "") -> bytes:
    """Render without a date, so that equal figures are equal files. ``footer`` stands below the figure."""
    return _compact(_render(figure, "svg", footer, metadata={"Date": None}))


def png(figure: Figure, footer: str = "", dpi: int = 160) -> bytes:
    """Render as pixels, for places that cannot show SVG."""
    return _render(figure, "png", footer, dpi=dpi, metadata={"Software": None})


def webp(figure: Figure, footer: str = "") -> bytes:
    """Render photographs for a page: a sixth of the bytes of a PNG."""
    return _render(figure, "webp", footer, dpi=110, pil_kwargs={"quality": 82})


def _render(figure: Figure, kind: str, footer: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(footer, int(_FOOTER_LETTERS * width))
    with journal_style():
        # Below the figure, where no layout has to make room for it.
        text = figure.text(0.06 / width, 0, plain("\n".join(lines)), va="top", fontsize=7, color=GREY)
        text.set_in_layout(False)
        below = (0.15 * len(lines) + 0.05) if lines else 0.0
        figure.savefig(
            buffer, format=kind, bbox_inches=Bbox.from_extents(0, -below, width, height), **options
        )
        text.remove()
    return buffer.getvalue()


def _compact(drawing: bytes) -> bytes:
    """Leave out what no viewer needs: a third of what Matplotlib writes, and of the page that embeds it."""
    for pattern, instead in _NEEDLESS.items():
        drawing = re.sub(pattern, instead, drawing)
    return _TAG.sub(lambda tag: _LONG_NUMBER.sub(_rounded, tag[0]), drawing)


def _rounded(number: re.Match[bytes]) -> bytes:
    """To a hundredth of a point."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".").encode()


def plain(text: str) -> str:
    """Matplotlib reads dollar signs as mathematics; a question about prices is not."""
    return text.replace("$", r"\$")
