"""What a sweep has recorded so far: for notebooks, the report and ``robust-atp status``."""

import html
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from robust_atp.database import batches, database, fetch, gathered, read_ahead
from robust_atp.errors import UserError
from robust_atp.query import create_views
from robust_atp.sweep.declared import Declared
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study

T = TypeVar("T")

_FILES_AT_ONCE = 1000


@dataclass(frozen=True)
class Status:
    """How far a sweep is, counted in units. ``failures`` maps a unit, in words, to the reason."""

    done: int
    failed: int
    left: int
    failures: dict[str, str]

    @property
    def complete(self) -> bool:
        """Whether every unit has its records."""
        return not self.failed and not self.left


class Results:
    """A study with its records, read from the Parquet files of its planned units and from nothing else."""

    def __init__(self, folder: str | Path) -> None:
        self._store = Store(folder)
        self.folder = self._store.folder
        self.study: Study = self._store.study()
        self._units = self._store.units()
        self._copy: _Copy | None = None

    def status(self) -> Status:
        """Count units on disk; right while the sweep runs, too."""
        done = self._store.done(self._units)
        failures = self._store.failures(unit for unit in self._units if unit.key not in done)
        named = {str(unit): failures[unit.key] for unit in self._units if unit.key in failures}
        return Status(len(done), len(failures), len(self._units) - len(done) - len(failures), named)

    def declared(self) -> Declared | None:
        """What the study declared before it ran; None for folders made before that was recorded."""
        return self._store.declared()

    def _repr_html_(self) -> str:
        status, study = self.status(), self.study
        facts = {
            "study": study.name,
            "backbones": ", ".join(backbone.name for backbone in study.backbones),
            "data": ", ".join(f"{data.name}/{data.split}" for data in study.data),
            "units": f"{status.done} recorded, {status.failed} failed, {status.left} left",
            "folder": str(self.folder),
        }
        rows = "".join(
            f"<tr><th>{name}</th><td>{html.escape(fact)}</td></tr>" for name, fact in facts.items()
        )
        return f"<table>{rows}</table>"

    def files(self) -> list[Path]:
        """Files of the units that are done, in the order of the plan."""
        done = self._store.done(self._units)
        return [self._store.path(unit.key) for unit in self._units if unit.key in done]

    def records(self) -> pd.DataFrame:
        """The arms' own answers, in the order of the plan; columns as in ``robust-atp list columns``."""
        return self.table("SELECT * FROM records")

    def table(self, query: str, *, coded: bool = False, **frames: pd.DataFrame) -> pd.DataFrame:
        """Run SQL (DuckDB) over the view ``records``: ``SELECT``, or ``FROM records``.

        ``records`` has the arms' own answers; the view ``variants`` those to experiments, too. Columns that the
        query does not name are not read. ``frames`` are further tables by name; with ``coded``
        text comes as categories.

        ``UserError`` if nothing is recorded yet or the SQL is wrong.
        """
        with _understood(), self._connected() as connection:
            return fetch(connection, query, coded=coded, **frames)

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """Rows of SQL as ``table`` understands it, some at a time; files that are read once need no copy.

        Without a copy the query sees some files at a time: it selects rows, and sums up nothing. They come in the
        order of the files, while other threads read ahead.
        """
        if self._copy is not None and self._copy.made:
            with _understood():
                yield from batches(self._copy.connection, query)
            return
        files = self._copy.files if self._copy is not None else self._recorded()
        yield from read_ahead(_some_at_a_time(files), partial(_rows_of, query=query))

    @contextmanager
    def gathered(self, query: str, **frames: pd.DataFrame) -> Iterator[Callable[[str], pd.DataFrame]]:
        """Rows of SQL as ``table`` understands it, kept in the database as the table ``gathered``.

        Yields a function that answers SQL over it, with text as categories.
        """
        with _understood(), self._connected() as connection, gathered(connection, query, **frames) as select:
            yield select

    def remember(self, compute: "Callable[[Results], T]") -> T:
        """``compute(self)``; of results at hand, which stay as they are, once."""
        if self._copy is None:
            return compute(self)
        if compute not in self._copy.computed:
            self._copy.computed[compute] = compute(self)
        return self._copy.computed[compute]

    @contextmanager
    def at_hand(self) -> Iterator["Results"]:
        """The same results for many queries: the records copied into one temporary file.

        Ten million rows take some 700 MB there (in ``TMPDIR``) instead of being searched for in thousands of files.
        The copy is made by the first query that needs it.
        """
        if self._copy is not None:
            yield self
            return
        with ExitStack() as opened:
            near = copy(self)
            near._copy = _Copy(self._recorded(), opened)
            yield near

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with the records: their copy, or else the files, of which a query reads the columns it names."""
        if self._copy is not None:
            yield self._copy.connection
            return
        with database() as connection:
            create_views(connection, connection.read_parquet(self._recorded()))
            yield connection

    def _recorded(self) -> list[str]:
        files = [str(path) for path in self.files()]
        if not files:
            raise UserError(f"{self.folder} holds no records yet: see robust-atp status {self.folder}")
        return files


class _Copy:
    """The records of ``files`` in one temporary database, and what was computed of them."""

    def __init__(self, files: list[str], opened: ExitStack) -> None:
        self.files = files
        self.made = False
        self.computed: dict[Callable, Any] = {}
        self._opened = opened

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        connection = self._opened.enter_context(database(stored=True))
        connection.execute("SET preserve_insertion_order = false")
        with _understood():
            for files in _some_at_a_time(self.files):
                rows = connection.read_parquet(files)
                rows.insert_into("rows") if self.made else rows.create("rows")
                self.made = True
        create_views(connection, connection.table("rows"))
        return connection


def _rows_of(files: list[str], query: str) -> list[pa.RecordBatch]:
    """Rows of some files, read by one thread: two threads of one DuckDB are a tenth faster, two DuckDBs by half."""
    with database(threads=1) as connection, _understood():
        create_views(connection, connection.read_parquet(files))
        return list(batches(connection, query))


def _some_at_a_time(files: list[str]) -> Iterator[list[str]]:
    """DuckDB holds the footers of all files that it reads in one go: 60 kB each."""
    yield from (files[start : start + _FILES_AT_ONCE] for start in range(0, len(files), _FILES_AT_ONCE))


@contextmanager
def _understood() -> Iterator[None]:
    """Tell a damaged file from a query that cannot be answered."""
    try:
        yield
    except (duckdb.Error, OSError) as error:  # OSError: what DuckDB finds out while Arrow reads from it
        if ".parquet'" in str(error):
            hint = "delete a damaged file, and robust-atp run makes it again"
            raise UserError(f"the records cannot be read: {error}; {hint}") from error
        raise UserError(f"query over the records failed: {error}") from error


def open_results(folder: str | Path) -> Results:
    """Open the folder of a sweep; ``UserError`` if it is not one."""
    return Results(folder)
