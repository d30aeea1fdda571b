"""All numbers of a report, computed from the records alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from robust_atp.probes.probe import PROBES
from robust_atp.query import Records
from robust_atp.report.accuracy import accuracy, loss, overview
from robust_atp.report.claims import check_claims
from robust_atp.report.cost import cost
from robust_atp.report.excess import excess_drop, mean_excess_drop, retention_gap
from robust_atp.report.kept_tokens import kept_token_stability
from robust_atp.report.noninferiority import noninferiority_table
from robust_atp.report.official import official
from robust_atp.report.plot import listing, plot

if TYPE_CHECKING:
    from robust_atp.report.illustrations import Illustration


@dataclass(frozen=True)
class Analysis:
    """Tidy tables, one row per estimate. Shares are in [0, 1]; only figures and pages speak of points."""

    overview: pd.DataFrame
    accuracy: pd.DataFrame
    accuracy_by_question_type: pd.DataFrame
    official: pd.DataFrame
    loss: pd.DataFrame
    noninferiority: pd.DataFrame
    excess_drop: pd.DataFrame
    mean_excess_drop: pd.DataFrame
    retention_gap: pd.DataFrame
    kept_token_stability: pd.DataFrame
    cost: pd.DataFrame
    claims: pd.DataFrame
    probes: dict[str, pd.DataFrame]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by its file name, probes among them."""
        own = {name: table for name, table in vars(self).items() if name != "probes"}
        return own | {f"probe_{name.replace('-', '_')}": table for name, table in self.probes.items()}

    def plot(self, figure: str, **choices: object) -> "Illustration":
        """Draw a figure of the report (``robust-atp list figures``) for one population at one budget.

        >>> analyse(results).plot("excess-drop", backbone="phantom", keep=0.25, pruner=["random", "atp"])

        ``choices`` (backbone, dataset, split, pruner, keep, probe; a value or a list) narrow down what is drawn; else
        it is the first population at its main budget. A notebook shows the figure with its caption;
        ``.axes`` are Matplotlib's. ``UserError`` for names that the study does not have.
        """
        return plot(self, figure, **choices)

    def _repr_html_(self) -> str:
        return listing(self.tables())


def analyse(records: Records) -> Analysis:
    """Compute every table of a report. Deterministic: the same records in any order give the same numbers."""
    return Analysis(
        overview=overview(records),
        accuracy=accuracy(records),
        accuracy_by_question_type=accuracy(records, by=("question_type",)),
        official=official(records),
        loss=loss(records),
        noninferiority=noninferiority_table(records),
        excess_drop=excess_drop(records),
        mean_excess_drop=mean_excess_drop(records),
        retention_gap=retention_gap(records),
        kept_token_stability=kept_token_stability(records),
        cost=cost(records),
        claims=check_claims(records),
        probes={name: PROBES.get(name).run(records) for name in PROBES.names()},
    )
