"""The answer to the question, arm by arm, in words that the numbers support."""

from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, POPULATION
from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, Population, arms_of, populations_of, rows_of
from robust_atp.report.figures.style import points


@dataclass(frozen=True)
class Verdict:
    """What a study says about one arm of one backbone and data set. Shares are in [0, 1]."""

    population: Population
    arm: Arm
    tokens: float
    clean: pd.Series  # value, lo, hi, n, images
    corrupted: pd.Series
    excess: pd.Series | None  # None for the unpruned model, and where nothing was corrupted

    @property
    def word(self) -> str:
        """``more fragile``, ``more robust`` or ``not detectably different``, by the 95 % interval of X."""
        if self.excess is None:
            return "reference" if self.arm.pruner == "none" else "not tested"
        if self.excess["lo"] > 0:
            return "more fragile"
        return "more robust" if self.excess["hi"] < 0 else "not detectably different"

    @property
    def remark(self) -> str:
        """What must be known beside the word: the effect that could have been found, or a contradicting scale."""
        if self.excess is None:
            return ""
        if self.word == "not detectably different":
            return f"detectable: {100 * self.excess['detectable']:.1f} points"
        gap = self.excess["retention_gap"]
        if self.word == "more robust" and not gap < 0:
            return "but only because it had less to lose: it keeps no larger share of its clean accuracy"
        if self.word == "more fragile" and not gap > 0:
            return "but it keeps as large a share of its clean accuracy"
        return ""

    @property
    def sentence(self) -> str:
        """One sentence for readers who read no table."""
        if self.excess is None:
            return ""
        value, lo, hi = (points(self.excess[column]) for column in ("value", "lo", "hi"))
        than = "different from" if self.word.endswith("different") else f"{self.word} than"
        finding = "is not detectably" if self.word.endswith("different") else "is"
        remark = f"; {self.remark}" if self.remark else ""
        return (
            f"Under corruption, {self.arm.label} {finding} {than} the unpruned model: "
            f"excess drop {value} points (95 % interval {lo} to {hi}{remark})."
        )


def verdicts(analysis: Analysis) -> list[Verdict]:
    """One verdict per backbone, data set and arm, in the order in which arms are shown."""
    excess = analysis.mean_excess_drop.merge(
        analysis.retention_gap.rename(columns={"value": "retention_gap"}).drop(columns=["lo", "hi"]),
        on=[*POPULATION, *ARM],
        how="left",
    )
    found = []
    for population in populations_of(analysis.overview):
        for arm in arms_of(rows_of(analysis.overview, population)):
            accuracy = rows_of(analysis.overview, population, arm).set_index("condition")
            accuracy = accuracy.reindex(["clean", "corrupted"])
            mine = rows_of(excess, population, arm)
            found.append(
                Verdict(
                    population=population,
                    arm=arm,
                    tokens=float(accuracy["tokens_llm"].mean()),
                    clean=accuracy.iloc[0],
                    corrupted=accuracy.iloc[1],
                    excess=None if mine.empty else mine.iloc[0],
                )
            )
    return found
