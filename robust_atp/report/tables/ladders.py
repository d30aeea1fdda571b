"""Cells of a study arranged as ladders: every corruption from clean upwards, for one arm."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.score_sums import long_rows, score_sums, seen

CELL = (*POPULATION, *ARM, *CONDITION)


def ladder_sums(records: Records) -> pd.DataFrame:
    """Sums of scores and counts of questions per image and cell, clean and corrupted cells only."""
    return long_rows(score_sums(records).questions, seen)


@dataclass(frozen=True)
class Ladders:
    """Where the cells of each arm of one backbone stand in a table of cells.

    ``at`` maps an arm's columns to indices [corruption, severity] into the table; a cell that is not there has
    the index -1, where the caller keeps a nan.
    """

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]  # from clean, 0, upwards
    at: dict[tuple[Any, ...], np.ndarray]

    @classmethod
    def of(cls, cells: pd.DataFrame) -> "Ladders":
        """Arrange the ``cells`` of one backbone; every arm gets the corruptions and severities that any has."""
        corrupted = cells[cells["severity"] > 0]
        corruptions = tuple(sorted(set(corrupted["intervention"])))
        severities = (0, *sorted(set(corrupted["severity"])))
        names = [(name if s else "clean", s) for name in corruptions for s in severities]
        found: dict[tuple[Any, ...], np.ndarray] = {}
        for arm, mine in cells.groupby(list(ARM)):
            where = pd.Series(mine.index, index=pd.MultiIndex.from_frame(mine[list(CONDITION)]))
            index = [where.get(name, -1) for name in names]
            found[arm] = np.array(index, dtype=int).reshape(len(corruptions), len(severities))
        return cls(corruptions, severities, found)

    @property
    def whole(self) -> np.ndarray | None:
        """Indices of the unpruned model's cells, if it was run."""
        return next((index for arm, index in self.at.items() if arm[0] == "none"), None)
