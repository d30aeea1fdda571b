"""One figure of a study, as a notebook asks for it."""

import html
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pandas as pd

from robust_atp.errors import UserError, unknown

if TYPE_CHECKING:
    from robust_atp.report.analysis import Analysis
    from robust_atp.report.illustrations import Illustration

# Columns by which a figure can be narrowed down. The unpruned model stays whatever is asked for.
_COLUMNS = ("backbone", "dataset", "split", "pruner", "keep")


def plot(analysis: "Analysis", figure: str, **choices: object) -> "Illustration":
    """Draw the first illustration of the kind ``figure``; see ``Analysis.plot``."""
    from robust_atp.report.illustrations import ILLUSTRATORS

    illustrator = ILLUSTRATORS.get(figure)
    drawn = list(islice(illustrator.draw(narrowed(analysis, choices)), 1))
    if not drawn:
        raise UserError(
            f"figure '{figure}' needs {illustrator.needs}: nothing of the kind is in what was chosen"
        )
    return drawn[0]


def narrowed(analysis: "Analysis", choices: Mapping[str, object]) -> "Analysis":
    """Every table with the rows of ``choices`` only; ``UserError`` for a column or a value that is not there."""
    for column, wanted in choices.items():
        if column not in (*_COLUMNS, "probe"):
            raise unknown("choice", column, [*_COLUMNS, "probe"])
        found = list(analysis.probes) if column == "probe" else analysis.overview[column].unique().tolist()
        for value in _listed(wanted):
            if value not in found:
                raise unknown(column, str(value), map(str, found))
    tables = {name: _rows(table, choices) for name, table in vars(analysis).items() if name != "probes"}
    chosen = _listed(choices.get("probe", list(analysis.probes)))
    probes = {
        name: _rows(table if name in chosen else table.iloc[:0], choices)
        for name, table in analysis.probes.items()
    }
    return replace(analysis, **tables, probes=probes)


def listing(tables: Mapping[str, pd.DataFrame]) -> str:
    """HTML that names tables with their sizes."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{len(table):,} rows</td><td>{_columns(table)}</td></tr>"
        for name, table in tables.items()
        if len(table)
    )
    return f"<table>{rows}</table>"


def _columns(table: pd.DataFrame) -> str:
    return html.escape(", ".join(map(str, table.columns)))


def _rows(table: pd.DataFrame, choices: Mapping[str, object]) -> pd.DataFrame:
    for column, wanted in choices.items():
        if column in table:
            chosen = table[column].isin(_listed(wanted))
            if column in ("pruner", "keep") and "pruner" in table:
                chosen |= table["pruner"] == "none"
            table = table[chosen]
    return table


def _listed(wanted: object) -> list:
    return list(wanted) if isinstance(wanted, Collection) and not isinstance(wanted, str) else [wanted]
