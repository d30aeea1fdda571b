"""Reading JSON files piece by piece: annotation files are larger than what is wanted of them at any moment."""

import json
from collections.abc import Iterator
from io import TextIOBase
from pathlib import Path
from typing import Any, NoReturn

from robust_atp.errors import UserError

_CHUNK = 1 << 16


def elements(path: Path, key: str) -> Iterator[Any]:
    """Elements of the list under ``key`` of the object that a file holds, one by one.

    ``UserError`` with file and line for broken JSON, also behind the list, and for a file of another shape.
    """
    with _open(path) as file:
        cursor = _Cursor(file, path)
        others, found = [], False
        for name in cursor.names():
            if name != key:
                others.append(name)
                cursor.skip()
                continue
            found = True
            if cursor.peek() != "[":
                raise UserError(
                    f"{path}: '{key}' must be a list of records, got {type(cursor.value()).__name__}"
                )
            empty = True
            for _ in cursor.items():
                yield cursor.value()
                empty = False
            if empty:
                raise UserError(f"{path}: '{key}' must be a list of records, got an empty list")
        cursor.end()
        if not found:
            raise UserError(f"{path}: lacks '{key}' (has: {', '.join(others) or 'nothing'})")


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """Names and values of the object that a file holds, one by one."""
    with _open(path) as file:
        cursor = _Cursor(file, path)
        for name in cursor.names():
            yield name, cursor.value()
        cursor.end()


def records(path: Path) -> Iterator[Any]:
    """Values of a JSON array, or of a file with one JSON value per line, whichever it is."""
    with _open(path) as file:
        cursor = _Cursor(file, path)
        if cursor.peek() == "[":
            for _ in cursor.items():
                yield cursor.value()
            cursor.end()
            return
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(f"{path}:{number}: not valid JSON: {error.msg}") from error


def _open(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        reason = (
            "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        raise UserError(f"{reason}: {path}") from None


class _Cursor:
    """A place in a JSON file. Holds the value it stands at, and no more than a chunk beyond."""

    def __init__(self, file: TextIOBase, path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = json.JSONDecoder()
        self._text, self._place, self._line = "", 0, 1

    def names(self) -> Iterator[str]:
        """Names in the object here; after each, read or skip its value."""
        if self.peek() != "{":
            raise UserError(f"{self._path}: expected an object, got {type(self.value()).__name__}")
        for _ in self.items():
            name = self.value()
            if self.peek() != ":":
                self._fail("Expecting ':' delimiter")
            self._place += 1
            yield name

    def items(self) -> Iterator[None]:
        """Stop at every item of the array or object here; after each, read or skip it."""
        closing = {"[": "]", "{": "}"}[self.peek()]
        self._place += 1
        if self.peek() == closing:
            self._place += 1
            return
        while True:
            yield
            mark = self.peek()
            self._place += 1
            if mark == closing:
                return
            if mark != ",":
                self._place -= 1
                self._fail("Expecting ',' delimiter")

    def value(self) -> Any:
        """Read the value here."""
        self.peek()
        wanted = _CHUNK
        while True:
            try:
                value, place = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                if not self._read(wanted):
                    self._fail(error.msg, error.pos)
            else:
                # A number at the very end of the text may go on in the next chunk.
                if place < len(self._text) or not self._read(wanted):
                    self._place = place
                    return value
            wanted *= 2

    def skip(self) -> None:
        """Go past the value here, item by item where it has any."""
        opening = self.peek()
        if opening == "[":
            for _ in self.items():
                self.skip()
        elif opening == "{":
            for _ in self.names():
                self.skip()
        else:
            self.value()

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.peek():
            self._fail("Extra data")

    def peek(self) -> str:
        """The next character that is no white space; empty at the end of the file."""
        while True:
            while self._place < len(self._text):
                if not self._text[self._place].isspace():
                    return self._text[self._place]
                self._place += 1
            if not self._read(_CHUNK):
                return ""

    def _read(self, size: int) -> bool:
        try:
            chunk = self._file.read(size)
        except UnicodeDecodeError as error:
            raise UserError(f"{self._path}: is not UTF-8 text: {error.reason}") from error
        self._line += self._text.count("\n", 0, self._place)
        self._text, self._place = self._text[self._place :] + chunk, 0
        return bool(chunk)

    def _fail(self, message: str, place: int | None = None) -> NoReturn:
        line = self._line + self._text.count("\n", 0, self._place if place is None else place)
        raise UserError(f"{self._path}:{line}: not valid JSON: {message}")
