"""The declared endpoints as the page shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from robust_atp.declaration import ENDPOINTS, Declaration
from robust_atp.query import ARM, POPULATION
from robust_atp.report.arms import Arm
from robust_atp.report.figures.style import points
from robust_atp.report.tables.families import UNDECIDED

# A longer list of tests is folded away: a reader looks for one arm in it.
_SHOWN = 30


@dataclass(frozen=True)
class EndpointRow:
    """One endpoint of one arm, in words and points."""

    arm: str
    endpoint: str
    estimate: str
    interval: str
    p: str
    verdict: str
    remark: str

    @property
    def is_decided(self) -> bool:
        """Whether the corrected test found or showed something."""
        return self.verdict not in UNDECIDED


@dataclass(frozen=True)
class DeclaredView:
    """What the page says about the declaration; ``tables`` by backbone and data set."""

    standing: str
    rule: str
    is_declared: bool
    deviations: tuple[str, ...]
    tables: Mapping[str, tuple[EndpointRow, ...]]

    @property
    def is_long(self) -> bool:
        """Whether the tables are too long to stand open."""
        return sum(map(len, self.tables.values())) > _SHOWN


def declared_view(
    endpoints: pd.DataFrame, declaration: Declaration, standing: str, record: Mapping[str, Any]
) -> DeclaredView:
    """``endpoints`` as rows of text, with what ``record`` says of declaration and deviations."""
    tables = {
        f"{population[0]} on {population[1]}": tuple(_row(row) for row in rows.to_dict("records"))
        for population, rows in endpoints.groupby(list(POPULATION), sort=False)
    }
    rule = (
        f"Margin {_points(declaration.margin)}"
        + (f" ({declaration.margin_reason})" if declaration.margin_reason else "")
        + f", alpha {declaration.alpha:g} after Holm’s correction over endpoints and methods."
    )
    return DeclaredView(standing, rule, record["declared"] is not None, tuple(record["deviations"]), tables)


def _row(row: Mapping[Any, Any]) -> EndpointRow:
    return EndpointRow(
        arm=Arm(*(row[name] for name in ARM)).label,
        endpoint=ENDPOINTS[row["endpoint"]],
        estimate=points(row["value"]),
        interval=f"{points(row['lo'])} to {points(row['hi'])}",
        p=_p(row["p_primary"]),
        verdict=row["verdict"],
        remark=_remark(row),
    )


def _remark(row: Mapping[Any, Any]) -> str:
    """What was detectable, beside every result that decides nothing."""
    if row["verdict"] not in UNDECIDED:
        return ""
    if math.isnan(row["p"]):
        return "no spread between images: not tested"
    beyond = "; the whole interval is beyond the margin" if row["lo"] > row["margin"] else ""
    counts = f"n = {row['n']:,.0f} on {row['images']:,.0f} images"
    return f"detectable: {_points(row['detectable'])}; {counts}{beyond}"


def _points(share: float) -> str:
    return "1 point" if share == 0.01 else f"{100 * share:.3g} points"


def _p(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
