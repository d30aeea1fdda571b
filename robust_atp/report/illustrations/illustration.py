"""What an illustration is: a figure with the words that a reader needs beside it."""

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_atp.report.figures.style import svg

if TYPE_CHECKING:
    from robust_atp.report.analysis import Analysis


@dataclass(frozen=True)
class Illustration:
    """One figure. ``name`` is its file name without ending, ``kind`` the name under which it is registered.

    ``caption`` says how the figure is read, ``basis`` what stands behind it: counts, intervals, correction.
    Notebooks show it as it is; ``axes`` are Matplotlib's, to change or to measure.
    """

    kind: str
    name: str
    section: str
    title: str
    caption: str
    basis: str
    figure: Figure
    photographs: bool = False

    @property
    def axes(self) -> list[Axes]:
        """The panels in reading order."""
        return self.figure.axes

    def _repr_html_(self) -> str:
        drawing = svg(self.figure).decode()
        words = f"<b>{html.escape(self.title)}.</b> {html.escape(f'{self.caption} {self.basis}.')}"
        return f"<figure>{drawing[drawing.index('<svg') :]}<figcaption>{words}</figcaption></figure>"


@dataclass(frozen=True)
class Illustrator:
    """Draws all illustrations of one kind.

    ``draw`` maps the tables of a study to illustrations, the most important first, and to none where the study
    has nothing for it: ``needs`` says what that would be. ``section`` is the part of the page that shows them.
    """

    name: str
    section: str
    summary: str
    needs: str
    draw: Callable[["Analysis"], Iterator[Illustration]]
