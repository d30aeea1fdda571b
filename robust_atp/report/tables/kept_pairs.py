"""What an arm kept of the clean image beside what it kept of the corrupted one, arm by arm."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from robust_atp.query import Records, query
from robust_atp.report.tables.pruned_arms import PrunedArm


def kept_pairs(records: Records, arm: PrunedArm) -> pd.DataFrame:
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
            WHERE {arm.own} AND image_id IN {arm.images()}
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
