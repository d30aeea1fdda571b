"""The examples of a data set, on disk and grouped by image."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from robust_atp.data.example import Example
from robust_atp.data.spool import some, temporary_database
from robust_atp.errors import UserError

_TABLES = """
    CREATE TABLE image (rank INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
    CREATE TABLE example (
        row INTEGER PRIMARY KEY, rank INTEGER NOT NULL, question_id TEXT NOT NULL, content TEXT NOT NULL,
        original TEXT NOT NULL
    );
"""
_INSERT = "INSERT INTO example (rank, question_id, content, original) VALUES (?, ?, ?, ?)"


class ExampleStore(Sequence[Example]):
    """Examples grouped by image, images in order of first appearance; ``limit`` keeps the first so many images.

    Memory does not grow with their number. ``fingerprint`` is a hash over all of them but for their ``original``.
    ``UserError`` if there is none, or if two have one question id.
    """

    def __init__(self, examples: Iterable[Example], what: str, limit: int | None = None) -> None:
        self._database = temporary_database()
        self._database.executescript(_TABLES)
        digest = hashlib.blake2b(digest_size=16)
        for example in examples:
            rank = self._rank(example.image_id, limit)
            if rank is not None:
                content = _content(example)
                digest.update(content.encode() + b"\n")
                self._database.execute(_INSERT, (rank, example.question_id, content, example.original))
        self.fingerprint = digest.hexdigest()
        self._database.execute("CREATE INDEX by_image ON example (rank)")
        self._length: int = self._database.execute("SELECT count(*) FROM example").fetchone()[0]
        if not self._length:
            raise UserError(f"{what}: holds no questions")
        self._require_unique(what)

    def image_ids(self) -> list[str]:
        """Ids of the images that questions are asked about, in order."""
        return [name for (name,) in self._database.execute("SELECT id FROM image ORDER BY rank")]

    def about(self, image_ids: Sequence[str]) -> list[Example]:
        """Examples of these images, in the order of the store."""
        marks = ", ".join("?" * len(image_ids))
        return list(
            self._read(f"JOIN image USING (rank) WHERE id IN ({marks}) ORDER BY rank, row", tuple(image_ids))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as of any sequence that is compared by its items

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Example]:
        return self._read("ORDER BY rank, row")

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self._length))]
        if not -self._length <= place < self._length:
            raise IndexError(place)
        return next(self._read("ORDER BY rank, row LIMIT 1 OFFSET ?", (place % self._length,)))

    def _rank(self, image_id: str, limit: int | None) -> int | None:
        """Number of an image, a new one if it is the first question about it; None beyond the limit."""
        known = self._database.execute("SELECT rank FROM image WHERE id = ?", (image_id,)).fetchone()
        if known:
            return known[0]
        if (
            limit is not None
            and (self._database.execute("SELECT max(rank) FROM image").fetchone()[0] or 0) >= limit
        ):
            return None
        return self._database.execute("INSERT INTO image (id) VALUES (?)", (image_id,)).lastrowid

    def _read(self, clause: str, values: tuple[Any, ...] = ()) -> Iterator[Example]:
        for content, original in self._database.execute(
            f"SELECT content, original FROM example {clause}", values
        ):
            fields = json.loads(content)
            yield Example(**fields | {"answers": tuple(fields["answers"]), "original": original})

    def _require_unique(self, what: str) -> None:
        repeated = self._database.execute(
            "SELECT question_id, count(*) OVER () FROM example "
            "GROUP BY question_id HAVING count(*) > 1 ORDER BY min(row) LIMIT 5"
        ).fetchall()
        if repeated:
            names = some([name for name, _ in repeated], repeated[0][1])
            raise UserError(f"question ids in {what} occur more than once: {names}")


def _content(example: Example) -> str:
    """Everything that decides something, as JSON."""
    fields = vars(example) | {"group": dict(example.group)}
    del fields["original"]
    return json.dumps(fields, sort_keys=True)
