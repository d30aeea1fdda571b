"""Reading records of official files, with errors a person can act on."""

from typing import Any

from robust_atp.errors import UserError


def field(record: Any, key: str, where: str) -> Any:
    """``record[key]``; ``UserError`` saying what the record lacks if it is not there."""
    if not isinstance(record, dict):
        raise UserError(f"{where}: expected an object with '{key}', got {type(record).__name__}")
    if key not in record:
        raise UserError(f"{where}: lacks '{key}' (has: {', '.join(map(str, record)) or 'nothing'})")
    return record[key]


def text(record: Any, key: str, where: str) -> str:
    """``record[key]``, which must be text."""
    value = field(record, key, where)
    if not isinstance(value, str):
        raise UserError(f"{where}: '{key}' must be text, got {value!r}")
    return value


def identifier(record: Any, key: str, where: str) -> str:
    """``record[key]`` as text, which must be a whole number or text: ids are text everywhere."""
    value = field(record, key, where)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise UserError(f"{where}: '{key}' must be a number or text, got {value!r}")
    return str(value)
