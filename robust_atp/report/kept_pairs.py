"""What an arm kept of the clean image beside what it kept of the corrupted one, arm by arm."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from robust_atp.query import ARM, POPULATION, Records, listed, query
from robust_atp.report.arms import Arm, Population

# An arm's pairs are held in memory: this many images of a data set, the first in the order of their hashes, so every
# arm and every run has the same ones. More would narrow an interval that is narrow by then.
IMAGES = 300


@dataclass(frozen=True)
class Subject:
    """An arm on one population: what one row of a table is about, less the condition."""

    population: Population
    arm: Arm

    def columns(self) -> dict[str, Any]:
        """Names and values in the order of every table."""
        return self.population._asdict() | self.arm._asdict()

    def sql(self, *, arm: bool = True) -> str:
        """Condition that selects its rows, or those of all arms of its population."""
        named = self.population._asdict() | (self.arm._asdict() if arm else {})
        return " AND ".join(f"{name} = {_literal(value)}" for name, value in named.items())

    def images(self) -> str:
        """Subquery with the image ids that count."""
        return f"""(
            SELECT image_id FROM (
                SELECT DISTINCT image_id FROM records WHERE {self.sql()} AND intervention = 'clean'
            ) ORDER BY md5(image_id), image_id LIMIT {IMAGES}
        )"""


def subjects(records: Records) -> list[Subject]:
    """Every pruned arm of every population, in a fixed order."""
    columns = (*POPULATION, *ARM)
    found = query(
        records,
        f"SELECT DISTINCT {listed(columns)} FROM records WHERE pruner <> 'none' ORDER BY ALL",
    )
    rows = found.itertuples(index=False, name=None)
    return [Subject(Population(*row[: len(POPULATION)]), Arm(*row[len(POPULATION) :])) for row in rows]


def kept_pairs(records: Records, subject: Subject) -> pd.DataFrame:
    """Distinct pairs of kept sets of an arm, the last stage of each, with how many questions have them.

    Columns: intervention, severity, grid, prunes, image_id, tokens_total, objects (packed bits or null), clean and
    corrupted (packed bits), weight. Noise seeds share the weight of a question, because R seeds of one question
    are not R questions. Pairs that keep everything are left out: nothing was chosen.
    """
    return query(
        records,
        f"""
        WITH arm AS (
            SELECT *, kept[-1] AS last FROM records
            WHERE {subject.sql()} AND image_id IN {subject.images()}
        ),
        clean AS (
            SELECT grid, image_id, question_id, last AS clean FROM arm WHERE intervention = 'clean'
        ),
        seeds AS (
            SELECT intervention, severity, count(DISTINCT noise_seed) AS seeds FROM arm GROUP BY ALL
        )
        SELECT intervention, severity, grid, prunes, image_id, tokens_total, object_patches AS objects,
               clean, last AS corrupted, count(*) / any_value(seeds) AS weight
        FROM arm JOIN clean USING (grid, image_id, question_id) JOIN seeds USING (intervention, severity)
        WHERE severity > 0
          AND least(bit_count(clean::BIT), bit_count(last::BIT)) < tokens_total
        GROUP BY intervention, severity, noise_seed, grid, prunes, image_id, tokens_total, object_patches,
                 clean, last
        ORDER BY ALL
        """,
    )


def unpacked(packed: pd.Series, tokens: int) -> np.ndarray:
    """Boolean masks [M, tokens] of packed bits; a null has no token."""
    width = -(-tokens // 8)
    joined = b"".join(bytes(width) if pd.isna(value) else bytes(value) for value in packed)
    bits = np.unpackbits(np.frombuffer(joined, np.uint8).reshape(len(packed), width), axis=1, count=tokens)
    return bits.view(bool)


def grids_of(grid: str) -> list[tuple[int, int]]:
    """``24x24+36x48`` -> ``[(24, 24), (36, 48)]``: rows and columns of each grid, in the order of their tokens."""
    parts = [part.split("x") for part in grid.split("+")]
    return [(int(rows), int(columns)) for rows, columns in parts]


def blocks(pairs: pd.DataFrame, entries: int = 1 << 20) -> Iterator[pd.DataFrame]:
    """Pairs of one grid at a time, no more than what unpacks to ``entries`` tokens."""
    for _, alike in pairs.groupby(["grid", "tokens_total"], sort=True):
        step = max(1, entries // int(alike["tokens_total"].iloc[0]))
        for start in range(0, len(alike), step):
            yield alike.iloc[start : start + step]


def _literal(value: object) -> str:
    # Doubles as text: DuckDB takes 0.1 for a decimal.
    return f"'{value!r}'::DOUBLE" if isinstance(value, float) else "'" + str(value).replace("'", "''") + "'"
