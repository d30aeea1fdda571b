"""What a figure is about: one backbone on one data set, at one budget."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Population, arms_of, populations_of, rows_of

# More curves than these and the two controls cannot be told apart in one panel.
_CURVES_APART = 6
# With more arms than these the curves of all budgets would be a hundred figures, which nobody looks at.
_ARMS_AT_ALL_BUDGETS = 40


@dataclass(frozen=True)
class Subject:
    """A population at one budget (None: at all of them), and the methods that one figure holds (None: all)."""

    population: Population
    keep: float | None = None
    methods: tuple[str, ...] | None = None
    part: str = ""  # "1", "2", … where the methods of a budget are shared out over figures

    @property
    def where(self) -> str:
        """In words, for a title: ``phantom on phantom, 25 % of tokens kept, atp to fastv``."""
        budget = "" if self.keep is None else f", {100 * self.keep:.3g} % of tokens kept"
        named = f", {self.methods[0]} to {self.methods[-1]}" if self.part and self.methods else ""
        return f"{self.population.backbone} on {self.population.dataset}{budget}{named}"

    @property
    def stem(self) -> str:
        """For a file name: ``phantom_phantom_test_keep25``."""
        budget = () if self.keep is None else (f"keep{100 * self.keep:.3g}",)
        return slug(*self.population, *budget, *([self.part] if self.part else []))

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of ``table`` about this population: the unpruned model, and the budget and methods of this figure."""
        rows = rows_of(table, self.population)
        if self.keep is not None:
            rows = rows[(rows["pruner"] == "none") | (rows["keep"] == self.keep)]
        return rows if self.methods is None else rows[rows["pruner"].isin(["none", "random", *self.methods])]


def populations(analysis: Analysis) -> Iterator[Subject]:
    """Every population, all budgets together."""
    for population in populations_of(analysis.overview):
        yield Subject(population)


def at_each_budget(analysis: Analysis) -> Iterator[Subject]:
    """Every population at every budget, the main one first; a study without pruning has one without budget."""
    for subject in populations(analysis):
        keeps: list[float | None] = [*budgets(subject.rows(analysis.overview))]
        yield from (Subject(subject.population, keep) for keep in keeps or [None])


def at_budgets_drawn(analysis: Analysis) -> Iterator[Subject]:
    """As ``at_each_budget``, but of a study with very many arms the main budget only: for figures of curves."""
    for subject in at_each_budget(analysis):
        rows = rows_of(analysis.overview, subject.population)
        if len(arms_of(rows)) <= _ARMS_AT_ALL_BUDGETS or subject.keep in budgets(rows)[:1]:
            yield subject


def in_groups(analysis: Analysis) -> Iterator[Subject]:
    """As ``at_budgets_drawn``, with methods shared out evenly over figures whose curves can be told apart."""
    for subject in at_budgets_drawn(analysis):
        methods = sorted(set(subject.rows(analysis.overview)["pruner"]) - {"none", "random"})
        count = max(math.ceil(len(methods) / _CURVES_APART), 1)
        for number, group in enumerate(np.array_split(np.array(methods, dtype=object), count), start=1):
            part = str(number) if count > 1 else ""
            yield Subject(subject.population, subject.keep, tuple(group), part)


def budgets(table: pd.DataFrame) -> list[float]:
    """Keep ratios of the pruned arms, the middle one first: the mildest and the harshest say least."""
    found = sorted({arm.keep for arm in arms_of(table) if arm.pruner != "none"}, reverse=True)
    return sorted(found, key=lambda keep: abs(found.index(keep) - (len(found) - 1) // 2))


def at_main_budget_if_many(table: pd.DataFrame) -> pd.DataFrame:
    """All rows of ``table``, or those of the unpruned model and the main budget where the arms are very many."""
    if len(arms_of(table)) <= _ARMS_AT_ALL_BUDGETS:
        return table
    return table[(table["pruner"] == "none") | table["keep"].isin(budgets(table)[:1])]


def by_split(table: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Rows of each data set, and of each split where it has several, with its names: ``("pope", "random")``."""
    for (dataset, split), rows in table.groupby(["dataset", "split"]):
        several = table.loc[table["dataset"] == dataset, "split"].nunique() > 1
        yield (str(dataset), str(split)) if several else (str(dataset),), rows


def margin_of(analysis: Analysis) -> float:
    """The loss that still counts as none, as the study declared it."""
    return float(analysis.noninferiority["margin"].max())


def counts(table: pd.DataFrame) -> str:
    """``n = 200 questions on 50 images per estimate``, or the range where cells differ."""
    return f"n = {_span(table['n'])} questions on {_span(table['images'])} images per estimate"


def _span(counts: pd.Series) -> str:
    lowest, highest = int(counts.min()), int(counts.max())
    return f"{lowest:,}" if lowest == highest else f"{lowest:,}–{highest:,}"


def slug(*parts: str) -> str:
    """A file name of letters, digits, dots and hyphens; parts are joined by underscores."""
    return "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts)
