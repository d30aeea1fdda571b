"""SQL over records, whether they are a frame in memory or Parquet files too big for it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa


class Source(Protocol):
    """Answers SQL over a view ``records``; what ``open_results`` returns is one."""

    def table(self, query: str) -> pd.DataFrame:
        """Run a query."""


Records: TypeAlias = pd.DataFrame | pa.Table | Source

# What a number can be about. The order is the order of columns and rows in every table.
POPULATION = ("backbone", "dataset", "split")
ARM = ("pruner", "keep", "position_policy")
CONDITION = ("intervention", "severity")

# One answer per question: noise seeds are averaged first, because R seeds of one item are not R items.
ANSWERS = f"""
    SELECT {", ".join((*POPULATION, *ARM, *CONDITION))}, image_id, question_id, avg(score) AS score
    FROM records GROUP BY ALL
"""


def query(records: Records, sql: str) -> pd.DataFrame:
    """Run ``sql`` over the view ``records``. Rows come in no particular order unless ``sql`` gives one."""
    if isinstance(records, pd.DataFrame | pa.Table):
        with duckdb.connect() as connection:
            connection.register("records", records)
            return connection.sql(sql).df()
    return records.table(sql)


def has_column(records: Records, name: str) -> bool:
    """Whether a column is recorded that a study has to ask for."""
    return name in query(records, "SELECT * FROM records LIMIT 0")


def listed(columns: Sequence[str], table: str = "") -> str:
    """Write column names for SQL: ``listed(ARM, "p")`` is ``p.pruner, p.keep, p.position_policy``."""
    return ", ".join(f"{table}.{column}" if table else column for column in columns)
