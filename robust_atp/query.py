"""SQL over records, whether they are a frame in memory or Parquet files too big for it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa


class Source(Protocol):
    """Answers SQL over the views ``records`` and ``variants``; what ``open_results`` returns is one."""

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

# Columns that records made by an earlier version lack, and what stands for them.
_LATER = {"variant": "'own'", "first_token_kl": "NULL::DOUBLE"}


def query(records: Records, sql: str) -> pd.DataFrame:
    """Run ``sql`` over the view ``records``. Rows come in no particular order unless ``sql`` gives one.

    Experiments let arms answer more than once. ``records`` has the arms' own answers only; the view ``variants``
    has all of them, told apart by the column ``variant``.
    """
    if isinstance(records, pd.DataFrame | pa.Table):
        with duckdb.connect() as connection:
            connection.register("rows", records)
            create_views(connection, connection.table("rows"))
            return connection.sql(sql).df()
    return records.table(sql)


def create_views(connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> None:
    """Create the views that SQL over records sees: ``variants`` with all rows, ``records`` with variant 'own'."""
    missing = [f"{value} AS {name}" for name, value in _LATER.items() if name not in rows.columns]
    rows.project(", ".join(["*", *missing])).create_view("everything")
    # Null where rows with and without the column were put together.
    connection.execute(
        """
        CREATE VIEW variants AS SELECT * REPLACE (coalesce(variant::VARCHAR, 'own') AS variant) FROM everything;
        CREATE VIEW records AS FROM variants WHERE variant = 'own';
        """
    )


def has_column(records: Records, name: str) -> bool:
    """Whether a column is recorded that a study has to ask for."""
    return name in query(records, "SELECT * FROM records LIMIT 0")


def listed(columns: Sequence[str], table: str = "") -> str:
    """Write column names for SQL: ``listed(ARM, "p")`` is ``p.pruner, p.keep, p.position_policy``."""
    return ", ".join(f"{table}.{column}" if table else column for column in columns)
