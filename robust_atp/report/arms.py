"""Arms of a study: in which order they are shown, and what they are called."""

from typing import NamedTuple

import pandas as pd

from robust_atp.query import ARM


class Arm(NamedTuple):
    """A pruning method at one budget; the fields are the arm's columns in the records."""

    pruner: str
    keep: float
    position_policy: str = "original"

    @property
    def label(self) -> str:
        """``unpruned``, ``atp 25 %`` or, where position ids are renumbered, ``atp 25 %, compacted``."""
        if self.pruner == "none":
            return "unpruned"
        label = f"{self.pruner} {100 * self.keep:.3g} %"
        return label if self.position_policy == "original" else f"{label}, {self.position_policy}"

    @property
    def is_control(self) -> bool:
        """Whether the arm is there to compare with: unpruned or random."""
        return self.pruner in ("none", "random")


def arms_of(table: pd.DataFrame) -> list[Arm]:
    """Distinct arms: unpruned, then random, then methods by name and from large to small budgets."""
    found = [Arm(*row) for row in table[list(ARM)].drop_duplicates().itertuples(index=False, name=None)]
    return sorted(
        found, key=lambda arm: (arm.pruner != "none", arm.pruner != "random", arm.pruner, -arm.keep, arm)
    )


def rows_of(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    """Select the rows of one arm."""
    return table[(table[list(ARM)] == list(arm)).all(axis=1)]
