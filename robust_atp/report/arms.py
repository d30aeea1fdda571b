"""What the rows of a table are about: populations and arms, their order and their names."""

from typing import NamedTuple

import pandas as pd

from robust_atp.query import ARM, POPULATION

CONTROL_PRUNERS = ("none", "random")


class Population(NamedTuple):
    """What is never pooled: one backbone on one split of one data set."""

    backbone: str
    dataset: str
    split: str


class Arm(NamedTuple):
    """A pruning method at one budget; the fields are the arm's columns in the records."""

    pruner: str
    keep: float
    position_policy: str = "original"

    @property
    def label(self) -> str:
        """``unpruned`` or ``atp 25 %``. A study runs an arm under one position policy, so that stays out."""
        return "unpruned" if self.pruner == "none" else f"{self.pruner} {100 * self.keep:.3g} %"

    @property
    def title(self) -> str:
        """``label`` with a pruner's options on a line of their own, for the narrow panels of a figure."""
        return two_lines(self.label)

    @property
    def is_control(self) -> bool:
        """Whether the arm is there to compare with: unpruned or random."""
        return self.pruner in CONTROL_PRUNERS


def two_lines(pruner: str) -> str:
    """Break before the options: ``atp(alpha=0.5)`` has them on the second line."""
    return pruner.replace("(", "\n(", 1)


def arms_of(table: pd.DataFrame) -> list[Arm]:
    """Distinct arms: unpruned, then random, then methods by name and from large to small budgets."""
    found = [Arm(*row) for row in table[list(ARM)].drop_duplicates().itertuples(index=False, name=None)]
    return sorted(
        found, key=lambda arm: (arm.pruner != "none", arm.pruner != "random", arm.pruner, -arm.keep, arm)
    )


def populations_of(table: pd.DataFrame) -> list[Population]:
    """Distinct populations in the order of the table."""
    rows = table[list(POPULATION)].drop_duplicates().itertuples(index=False, name=None)
    return [Population(*row) for row in rows]


def rows_of(table: pd.DataFrame, *subjects: Arm | Population) -> pd.DataFrame:
    """Select the rows that are about all of ``subjects``."""
    for subject in subjects:
        table = table[(table[list(subject._fields)] == list(subject)).all(axis=1)]
    return table
