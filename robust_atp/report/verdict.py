"""The answer to the question, arm by arm, in words that the numbers support."""

from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, POPULATION
from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, arms_of, rows_of
from robust_atp.report.figures.style import points


@dataclass(frozen=True)
class Verdict:
    """What a study says about one arm of one backbone and data set. Shares are in [0, 1]."""

    backbone: str
    dataset: str
    split: str
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
        lo, hi = points(self.excess["lo"]), points(self.excess["hi"])
        amount = f"{points(self.excess['value'])} points, 95 % interval {lo} to {hi}"
        remark = f"; {self.remark}" if self.remark else ""
        than = "from" if self.word.endswith("different") else "than"
        return f"{self.arm.label} is {self.word} {than} the unpruned model ({amount}{remark})."


def verdicts(analysis: Analysis) -> list[Verdict]:
    """One verdict per backbone, data set and arm, in the order in which arms are shown."""
    excess = analysis.mean_excess_drop.merge(
        analysis.retention_gap.rename(columns={"value": "retention_gap"}).drop(columns=["lo", "hi"]),
        on=[*POPULATION, *ARM],
        how="left",
    )
    found = []
    for population, block in analysis.overview.groupby(list(POPULATION), sort=False):
        own = excess[(excess[list(POPULATION)] == list(population)).all(axis=1)]
        for arm in arms_of(block):
            conditions = rows_of(block, arm).set_index("condition").reindex(["clean", "corrupted"])
            mine = rows_of(own, arm)
            found.append(
                Verdict(
                    *population,
                    arm=arm,
                    tokens=float(conditions["tokens_llm"].mean()),
                    clean=conditions.loc["clean"],
                    corrupted=conditions.loc["corrupted"],
                    excess=None if mine.empty else mine.iloc[0],
                )
            )
    return found
