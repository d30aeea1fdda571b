"""Records kept on disk under a key, so that memory does not grow with a data set."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from robust_atp.errors import UserError


def temporary_database() -> sqlite3.Connection:
    """A private database on disk, gone when it is closed; SQLite keeps 2 MB of it in memory."""
    # Ray calls an actor from more than one thread, though never at the same time.
    database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
    return database


class Spool:
    """JSON values under text keys, any number of them to a key, in the order in which they came."""

    def __init__(self, items: Iterable[tuple[str, Any]]) -> None:
        self._database = temporary_database()
        self._database.execute("CREATE TABLE item (key TEXT NOT NULL, value TEXT NOT NULL)")
        rows = ((key, json.dumps(value)) for key, value in items)
        self._database.executemany("INSERT INTO item VALUES (?, ?)", rows)
        self._database.execute("CREATE INDEX by_key ON item (key)")

    def get(self, key: str) -> list[Any]:
        """Values under ``key``; none if there is no such key."""
        found = self._database.execute("SELECT value FROM item WHERE key = ? ORDER BY rowid", (key,))
        return [json.loads(value) for (value,) in found]

    def __iter__(self) -> Iterator[str]:
        """Keys in the order of their first values."""
        for (key,) in self._database.execute("SELECT key FROM item GROUP BY key ORDER BY min(rowid)"):
            yield key

    def keys_missing_in(self, other: "Spool") -> tuple[list[str], int]:
        """The first five keys that ``other`` lacks, and how many there are."""
        missing = (key for key in self if key not in other)
        names = list(islice(missing, 5))
        return names, len(names) + sum(1 for _ in missing)

    def __contains__(self, key: object) -> bool:
        found = self._database.execute("SELECT 1 FROM item WHERE key = ? LIMIT 1", (key,))
        return found.fetchone() is not None

    def require_unique(self, what: str) -> "Spool":
        """Return this spool; ``UserError`` naming the first keys that have more than one value."""
        repeated = self._database.execute(
            "SELECT key, count(*) OVER () FROM item GROUP BY key HAVING count(*) > 1 ORDER BY min(rowid) LIMIT 5"
        ).fetchall()
        if repeated:
            raise UserError(
                f"{what} occur more than once: {some([key for key, _ in repeated], repeated[0][1])}"
            )
        return self


def some(names: list[str], count: int) -> str:
    """The first five names of ``count``."""
    return ", ".join(names[:5]) + (f", … ({count} in all)" if count > 5 else "")
