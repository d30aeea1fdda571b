"""Probes that say how they are drawn."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.probes.probe import PROBES
from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, arms_of, populations_of, rows_of
from robust_atp.report.figures.dumbbell import dumbbell
from robust_atp.report.figures.style import points
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import at_main_budget_if_many, by_split, counts, slug


def probes(analysis: Analysis) -> Iterator[Illustration]:
    """Draw each probe's marks on clean images, one figure per split with a block for every backbone."""
    for name, table in analysis.probes.items():
        probe = PROBES.get(name)
        if probe.marks is None:
            continue
        table = at_main_budget_if_many(table)
        drawn = table[(table["intervention"] == "clean") & table["quantity"].isin(probe.marks.quantities)]
        notes = table[(table["intervention"] == "clean") & (table["quantity"] == probe.marks.note)]
        for where, rows in by_split(drawn):
            noted = notes.merge(rows[["dataset", "split"]].drop_duplicates())
            yield Illustration(
                kind=f"probe-{name}",
                name=f"probe_{slug(name, *where)}",
                section="probes",
                title=f"{probe.question} {' '.join(where)}",
                caption=probe.reading,
                basis=f"{counts(rows)}; 95 % intervals over images, uncorrected",
                figure=dumbbell(rows, probe.marks.quantities, "%", notes=_notes(noted)),
            )


def _notes(table: pd.DataFrame) -> dict[tuple[str, Arm], str]:
    """Values in points with their intervals, by backbone and arm."""
    notes = {}
    for population in populations_of(table):
        for arm in arms_of(rows_of(table, population)):
            value, lo, hi = rows_of(table, population, arm)[["value", "lo", "hi"]].iloc[0]
            notes[population.backbone, arm] = f"{points(value, 0)}  [{points(lo, 0)}, {points(hi, 0)}]"
    return notes


ILLUSTRATOR = Illustrator(
    name="probes",
    section="probes",
    summary="each probe's quantities on clean images, arm by arm",
    needs="data that a probe can measure",
    draw=probes,
)
