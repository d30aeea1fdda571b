"""Reading official annotation files: JSON with the errors a person can act on."""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

from robust_atp.data.example import Example
from robust_atp.errors import UserError


def read_json(path: Path) -> Any:
    """Parse a JSON file; ``UserError`` with file and line if that fails."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error


def read_json_records(path: Path) -> list[Any]:
    """Parse a JSON array, or one JSON value per line, whichever the file holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    if text.lstrip().startswith("["):
        return list(read_json(path))
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: not valid JSON: {error.msg}") from error
    return records


def field(record: Any, key: str, where: str) -> Any:
    """``record[key]``; ``UserError`` saying what the record lacks if it is not there."""
    if not isinstance(record, dict):
        raise UserError(f"{where}: expected an object with '{key}', got {type(record).__name__}")
    if key not in record:
        raise UserError(f"{where}: lacks '{key}' (has: {', '.join(map(str, record)) or 'nothing'})")
    return record[key]


def records_of(document: Any, key: str, file: Path) -> list[Any]:
    """The list under ``key`` of an official file; ``UserError`` if the file has another shape."""
    records = field(document, key, str(file))
    if not isinstance(records, list) or not records:
        raise UserError(f"{file}: '{key}' must be a list of records, got {_kind(records)}")
    return records


def _kind(value: Any) -> str:
    return "an empty list" if value == [] else type(value).__name__


def require_unique(ids: Iterable[Hashable], what: str) -> None:
    """``UserError`` naming the first ids that occur more than once."""
    repeated = [str(name) for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise UserError(f"{what} occur more than once: {_some(repeated)}")


def require_same(left: set[str], right: set[str], left_name: str, right_name: str) -> None:
    """``UserError`` naming ids that only one of two files holds."""
    for only, here, there in ((left - right, left_name, right_name), (right - left, right_name, left_name)):
        if only:
            raise UserError(f"{len(only)} ids are in {here} but not in {there}: {_some(sorted(only))}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f", … ({len(names)} in all)" if len(names) > 5 else "")


def fill(pattern: str, **values: object) -> str:
    """Fill a pattern such as ``{image_id:012d}.jpg``; ``ValueError`` if it asks for anything else."""
    try:
        return pattern.format(**values)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"cannot be filled with {', '.join(values)}: {error}") from None


def by_image(examples: Iterable[Example], limit: int | None) -> tuple[Example, ...]:
    """Group questions by image, images in order of first appearance; keep the first ``limit`` images."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.image_id, []).append(example)
    return tuple(example for image_id in list(groups)[:limit] for example in groups[image_id])


def fingerprint(*paths: Path) -> str:
    """blake2b over the bytes of files, in this order."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        content = path.read_bytes()
        # The length keeps two files from hashing like one file with the same bytes.
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
