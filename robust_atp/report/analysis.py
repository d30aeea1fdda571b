"""All numbers of a report, computed from the records alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from robust_atp.declaration import Declaration
from robust_atp.probes.probe import PROBES
from robust_atp.query import Records, at_hand
from robust_atp.report.claims import check_claims
from robust_atp.report.plot import listing, plot
from robust_atp.report.progress import Step, steps
from robust_atp.report.tables.accuracy import accuracy, loss, overview
from robust_atp.report.tables.cost import cost
from robust_atp.report.tables.coupling import coupling
from robust_atp.report.tables.excess import excess_drop, mean_excess_drop, retention_gap
from robust_atp.report.tables.families import excess_by_corruption, primary_endpoints, with_exploratory
from robust_atp.report.tables.kept_token_shift import kept_token_shift
from robust_atp.report.tables.kept_tokens import kept_token_stability
from robust_atp.report.tables.noninferiority import noninferiority_table
from robust_atp.report.tables.official import official
from robust_atp.report.tables.robustness_table import robustness_table
from robust_atp.report.tables.score_stability import score_stability
from robust_atp.report.tables.severity_slope import severity_slope
from robust_atp.report.tables.transplant import mean_transplant, transplant

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
    excess_drop: pd.DataFrame
    mean_excess_drop: pd.DataFrame
    retention_gap: pd.DataFrame
    excess_by_corruption: pd.DataFrame
    noninferiority: pd.DataFrame
    severity_slope: pd.DataFrame
    robustness: pd.DataFrame
    primary_endpoints: pd.DataFrame
    kept_token_stability: pd.DataFrame
    kept_token_shift: pd.DataFrame
    score_stability: pd.DataFrame
    coupling: pd.DataFrame
    cost: pd.DataFrame
    transplant: pd.DataFrame
    mean_transplant: pd.DataFrame
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


def analyse(records: Records, declaration: Declaration | None = None) -> Analysis:
    """Compute every table of a report, judged as ``declaration`` says, by its defaults without one.

    Deterministic: the same records in any order give the same numbers.
    """
    with at_hand(records) as near, steps() as step:
        return _analyse(near, declaration, step)


def _analyse(records: Records, declaration: Declaration | None, step: Step) -> Analysis:
    headline = step(mean_excess_drop, records)
    noninferiority = step(noninferiority_table, records, declaration)
    slope = step(severity_slope, records, declaration)
    return Analysis(
        overview=step(overview, records),
        accuracy=step(accuracy, records),
        accuracy_by_question_type=step(accuracy, records, by=("question_type",)),
        official=step(official, records),
        loss=step(loss, records),
        excess_drop=with_exploratory(step(excess_drop, records)),
        mean_excess_drop=headline,
        retention_gap=step(retention_gap, records),
        excess_by_corruption=step(excess_by_corruption, records, declaration),
        noninferiority=noninferiority,
        severity_slope=slope,
        robustness=step(robustness_table, records, declaration),
        primary_endpoints=primary_endpoints(headline, noninferiority, slope, declaration),
        kept_token_stability=step(kept_token_stability, records),
        kept_token_shift=step(kept_token_shift, records),
        score_stability=step(score_stability, records),
        coupling=step(coupling, records),
        cost=step(cost, records),
        transplant=step(transplant, records),
        mean_transplant=step(mean_transplant, records),
        claims=step(check_claims, records),
        probes={name: step(PROBES.get(name).run, records) for name in PROBES.names()},
    )
