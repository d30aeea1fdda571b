"""What a sweep has recorded so far: for notebooks, the report and ``robust-atp status``."""

import html
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from robust_atp.errors import UserError
from robust_atp.sweep.declared import Declared
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study


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
        """All records, in the order of the plan; columns as in ``robust-atp list columns``."""
        return self.table("SELECT * FROM records")

    def table(self, query: str) -> pd.DataFrame:
        """Run SQL (DuckDB) over the view ``records``: ``SELECT``, or ``FROM records``.

        Columns that the query does not name are not read.

        ``UserError`` if nothing is recorded yet or the SQL is wrong.
        """
        files = [str(path) for path in self.files()]
        if not files:
            raise UserError(f"{self.folder} holds no records yet: see robust-atp status {self.folder}")
        with duckdb.connect() as connection:
            connection.read_parquet(files).create_view("records")
            try:
                return connection.sql(query).df()
            except (duckdb.ProgrammingError, duckdb.InvalidInputException) as error:
                raise UserError(f"query over the records failed: {error}") from error


def open_results(folder: str | Path) -> Results:
    """Open the folder of a sweep; ``UserError`` if it is not one."""
    return Results(folder)
