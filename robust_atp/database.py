"""DuckDB as the analysis uses it: little memory, however many rows."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

# A fifth of what a report may take; the rest is for what comes out of the queries. What does not fit is spilled.
_MEMORY = "400MB"
# Each thread has hash tables of its own, so that many cores would not fit into the memory.
_THREADS = 8
_ROWS_AT_ONCE = 1 << 17

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def database(*, stored: bool = False, threads: int = _THREADS) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database, deleted afterwards; ``stored``: its tables are in a temporary file."""
    with tempfile.TemporaryDirectory(prefix="robust-atp-") as folder:
        file = str(Path(folder) / "records.duckdb") if stored else ":memory:"
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": folder,
        }
        with duckdb.connect(file, config=config) as connection:
            available = connection.sql("SELECT current_setting('threads')").fetchall()[0][0]
            connection.execute(f"SET threads = {min(threads, available)}")
            yield connection


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, *, coded: bool = False, **frames: pd.DataFrame
) -> pd.DataFrame:
    """Rows of ``sql``, which may name ``frames``; ``coded``: text as categories in alphabetical order."""
    with _registered(connection, frames):
        relation = connection.sql(sql)
        return _coded(relation) if coded else relation.df()


@contextmanager
def gathered(
    connection: duckdb.DuckDBPyConnection, sql: str, **frames: pd.DataFrame
) -> Iterator[Callable[[str], pd.DataFrame]]:
    """Keep the rows of ``sql`` in the table ``gathered``; yield a function that answers SQL over it, coded."""
    with _registered(connection, frames):
        connection.execute(f"CREATE TABLE gathered AS {sql}")
        try:
            yield lambda part: fetch(connection, part, coded=True)
        finally:
            connection.execute("DROP TABLE gathered")


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, frames: Mapping[str, pd.DataFrame]) -> Iterator[None]:
    for name, frame in frames.items():
        connection.register(name, frame)
    try:
        yield
    finally:
        for name in frames:
            connection.unregister(name)


def batches(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[pa.RecordBatch]:
    """Rows of ``sql``, some at a time."""
    yield from connection.sql(sql).to_arrow_reader(_ROWS_AT_ONCE)


def read_ahead(parts: Iterable[T], read: Callable[[T], Iterable[R]]) -> Generator[R]:
    """All that ``read`` finds in ``parts``, in their order, with as many threads as there are processors, up to 8."""
    threads = min(_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[Iterable[R]]] = deque()
        for part in parts:
            running.append(pool.submit(read, part))
            if len(running) > threads:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


def _coded(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """Batch by batch, because the rows as text, all at once, would be a multiple of what is returned."""
    reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
    columns: list[_Text | _Numbers] = [
        _Text() if pa.types.is_string(field.type) else _Numbers(field.type) for field in reader.schema
    ]
    for batch in reader:
        for column, values in zip(columns, batch.columns, strict=True):
            column.append(values)
    # Each column gives up its batches when it is made whole, or the table would be in memory twice.
    names = reader.schema.names
    return pd.DataFrame({name: columns.pop(0).whole() for name in names})


class _Numbers:
    """A column that is not text."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._parts: list[pa.Array] = []

    def append(self, values: pa.Array) -> None:
        self._parts.append(_narrowed(values))

    def whole(self) -> pd.Series:
        kinds = {part.type for part in self._parts}
        if len(kinds) > 1:
            self._parts = [part.cast(self._kind) for part in self._parts]
        return pa.chunked_array(self._parts, kinds.pop() if len(kinds) == 1 else self._kind).to_pandas()


def _narrowed(values: pa.Array) -> pa.Array:
    """Counts, which are seldom large, in two bytes instead of eight."""
    if not pa.types.is_int64(values.type) or values.null_count:
        return values
    try:
        return values.cast(pa.int16())
    except pa.ArrowInvalid:
        return values


class _Text:
    """A column of text: every value once, and for each row the number of its value, -1 for null."""

    def __init__(self) -> None:
        self._number: dict[str | None, int] = {None: -1}
        self._codes: list[np.ndarray] = [np.empty(0, np.int16)]

    def append(self, values: pa.Array) -> None:
        encoded = values.dictionary_encode(null_encoding="encode")
        here = [
            self._number.setdefault(text, len(self._number) - 1) for text in encoded.dictionary.to_pylist()
        ]
        kind = np.int16 if len(self._number) <= np.iinfo(np.int16).max else np.int32
        self._codes.append(np.array(here, kind)[encoded.indices.to_numpy()])

    def whole(self) -> pd.Categorical:
        texts = np.array([text for text in self._number if text is not None], dtype=object)
        order = np.argsort(texts)
        rank = np.empty(len(texts) + 1, np.int32)
        rank[order], rank[-1] = np.arange(len(texts)), -1
        # A value that was seen early can come late in the alphabet: one type that holds all codes.
        kind = np.min_scalar_type(-len(texts) - 1)
        codes = np.concatenate([rank[part].astype(kind) for part in self._codes])
        return pd.Categorical.from_codes(codes, pd.Index(texts[order], dtype="str"))
