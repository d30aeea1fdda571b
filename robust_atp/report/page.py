"""The page: one HTML file that needs nothing else."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from robust_atp.report.arms import Population
from robust_atp.report.claims.page import judged, unjudged
from robust_atp.report.declared_view import DeclaredView
from robust_atp.report.figures.style import points
from robust_atp.report.illustrations.illustration import Illustration
from robust_atp.report.illustrations.subject import budgets
from robust_atp.report.verdict import Verdict, in_words

# A longer table is left to its CSV file: a page of ten thousand rows is no page.
_ROWS_SHOWN = 300
# Verdicts in one table; more are folded budget by budget.
_VERDICTS_SHOWN = 40


@dataclass(frozen=True)
class Shown:
    """An illustration as the page embeds it."""

    kind: str
    section: str
    title: str
    caption: str
    basis: str
    source: str  # data: URI
    width: int  # CSS pixels


def render(
    *,
    study: str,
    verdicts: Sequence[Verdict],
    claims: pd.DataFrame,
    figures: Sequence[Shown],
    tables: Mapping[str, pd.DataFrame],
    missing: Mapping[str, str],
    scale: Mapping[str, int],
    study_file: str,
    facts: Mapping[str, Mapping[str, Any]],
    limitations: Sequence[str],
    manifest: Mapping[str, Any],
    command: str,
    declared: DeclaredView,
    methods: str,
) -> str:
    """Fill the template. Everything is escaped: questions and answers are other people's text.

    ``missing`` maps sections that stay empty to the reason.
    """
    environment = Environment(
        loader=PackageLoader("robust_atp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "points": points,
        "cell": _cell,
        "words": _words,
        "unbroken": _unbroken,
    }
    sections: dict[str, dict[str, list[Shown]]] = {}
    for figure in figures:
        sections.setdefault(figure.section, {}).setdefault(figure.kind, []).append(figure)
    populations: dict[Population, list[Verdict]] = {}
    for verdict in verdicts:
        populations.setdefault(verdict.population, []).append(verdict)
    return environment.get_template("report.html.j2").render(
        study=study,
        populations={population: _by_budget(found) for population, found in populations.items()},
        words={population: in_words(found) for population, found in populations.items()},
        axis=_Axis.over(verdicts),
        claims=judged(claims),
        unjudged=unjudged(claims),
        sections=sections,
        tables={name: table for name, table in tables.items() if 0 < len(table) <= _ROWS_SHOWN},
        missing=missing,
        scale=scale,
        study_file=study_file,
        facts=facts,
        limitations=limitations,
        manifest=manifest,
        command=command,
        declared=declared,
        methods=methods,
    )


def _by_budget(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Blocks of rows, the one to read first: everything if it is few, else the unpruned model and one budget."""
    if len(verdicts) <= _VERDICTS_SHOWN:
        return [list(verdicts)]
    arms = pd.DataFrame([verdict.arm for verdict in verdicts])
    return [[v for v in verdicts if v.arm.pruner == "none" or v.arm.keep == keep] for keep in budgets(arms)]


def show(illustration: Illustration, drawing: bytes) -> Shown:
    """Embed ``drawing``: vectors where the figure has only lines and text, WebP where it holds photographs."""
    kind = "webp" if illustration.photographs else "svg+xml"
    return Shown(
        kind=illustration.kind,
        section=illustration.section,
        title=illustration.title,
        caption=illustration.caption,
        basis=illustration.basis,
        source=f"data:image/{kind};base64,{base64.b64encode(drawing).decode()}",
        width=round(96 * illustration.figure.get_figwidth()),
    )


@dataclass(frozen=True)
class _Axis:
    """Positions in per cent on the little interval plot in the verdict table, the same for all rows."""

    limit: float

    @classmethod
    def over(cls, verdicts: Sequence[Verdict]) -> "_Axis":
        ends = [abs(v.excess[end]) for v in verdicts if v.excess is not None for end in ("lo", "hi")]
        finite = [end for end in ends if np.isfinite(end)]
        return cls(max(finite, default=0.0) * 1.08 or 1.0)

    def at(self, share: float) -> float:
        return round(50 + 50 * share / self.limit, 2) if np.isfinite(share) else 50.0


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}".replace("-", "−")
    return str(value)


def _unbroken(text: str) -> str:
    """Keep a number and its per cent sign on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _words(name: str) -> str:
    return name.replace("_", " ")
