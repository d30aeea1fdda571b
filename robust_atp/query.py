"""SQL over records, whether they are a frame in memory or Parquet files too big for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeAlias, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from robust_atp import database as duck
from robust_atp.database import database, fetch

T = TypeVar("T")


class Source(Protocol):
    """Answers SQL over the views ``records`` and ``variants``; what ``open_results`` returns is one."""

    def table(self, query: str, *, coded: bool = False, **frames: pd.DataFrame) -> pd.DataFrame:
        """Run a query; ``frames`` are further tables by name. ``coded``: text comes as categories."""

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """Rows of a query as they come, some at a time."""

    def gathered(
        self, query: str, **frames: pd.DataFrame
    ) -> AbstractContextManager[Callable[[str], pd.DataFrame]]:
        """Rows of a query as the table ``gathered``: a function that answers SQL over it, with text as categories."""

    def remember(self, compute: "Callable[[Source], T]") -> T:
        """``compute(self)``, for records at hand no more than once."""

    def at_hand(self) -> AbstractContextManager["Source"]:
        """The same records, laid out for many queries."""


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


def query(records: Records, sql: str, **frames: pd.DataFrame) -> pd.DataFrame:
    """Run ``sql`` over the view ``records``. Rows come in no particular order unless ``sql`` gives one.

    Experiments let arms answer more than once. ``records`` has the arms' own answers only; the view ``variants``
    has all of them, told apart by the column ``variant``. ``frames`` are further tables that ``sql`` may name.
    """
    return _answer(records, sql, coded=False, **frames)


def image_rows(records: Records, sql: str, **frames: pd.DataFrame) -> pd.DataFrame:
    """``query`` for one row per image and cell, of which there are millions: text comes as ordered categories.

    A name then takes one or two bytes a row instead of some thirty.
    """
    return _answer(records, sql, coded=True, **frames)


@contextmanager
def gathered(records: Records, sql: str, **frames: pd.DataFrame) -> Iterator[Callable[[str], pd.DataFrame]]:
    """Rows of ``sql`` that stay in the database, and a function to look at some: ``image_rows`` over ``gathered``.

    Ten million rows are read again for each look, which takes less time than having them all in memory.
    """
    if isinstance(records, pd.DataFrame | pa.Table):
        with database() as connection:
            connection.register("rows", records)
            create_views(connection, connection.table("rows"))
            with duck.gathered(connection, sql, **frames) as select:
                yield select
    else:
        with records.gathered(sql, **frames) as select:
            yield select


def batches(records: Records, sql: str) -> Iterator[pa.RecordBatch]:
    """Rows of ``sql`` some at a time, for what is summed up while it is read; their order is any."""
    if isinstance(records, pd.DataFrame | pa.Table):
        with database() as connection:
            connection.register("rows", records)
            create_views(connection, connection.table("rows"))
            yield from duck.batches(connection, sql)
    else:
        yield from records.batches(sql)


def remembered(records: Records, compute: Callable[[Records], T]) -> T:
    """``compute(records)``, which tables share: once for records ``at_hand``, each time for any others."""
    return compute(records) if isinstance(records, pd.DataFrame | pa.Table) else records.remember(compute)


def at_hand(records: Records) -> AbstractContextManager[Records]:
    """Lay records out for many queries. Those in memory are at hand already."""
    if isinstance(records, pd.DataFrame | pa.Table):
        return nullcontext(records)
    return records.at_hand()


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


def equal(wanted: Mapping[str, object]) -> str:
    """SQL condition: every column has the value that is wanted."""
    return " AND ".join(f"{name} = {_literal(value)}" for name, value in wanted.items())


def _literal(value: object) -> str:
    # Doubles as text: DuckDB takes 0.1 for a decimal.
    return f"'{value!r}'::DOUBLE" if isinstance(value, float) else "'" + str(value).replace("'", "''") + "'"


def _answer(records: Records, sql: str, *, coded: bool, **frames: pd.DataFrame) -> pd.DataFrame:
    if isinstance(records, pd.DataFrame | pa.Table):
        with database() as connection:
            connection.register("rows", records)
            create_views(connection, connection.table("rows"))
            return fetch(connection, sql, coded=coded, **frames)
    return records.table(sql, coded=coded, **frames)
