"""Turns what pydantic finds wrong with a file into lines a person can act on, all of them at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from robust_atp.errors import UserError, nearest

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where it stands in the file and what is wrong with it."""

    path: Path
    message: str


def problems_of(error: ValidationError, model: type[BaseModel], prefix: Path = ()) -> list[Problem]:
    """Every problem of a pydantic error, without keys that are missing only because they are misspelt."""
    details = error.errors(include_url=False)
    misspelt = {
        (*detail["loc"][:-1], close)
        for detail in details
        if detail["type"] == "extra_forbidden" and (close := _nearest_key(detail, model))
    }
    return [
        Problem((*prefix, *detail["loc"]), _message(detail, model))
        for detail in details
        if not (detail["type"] == "missing" and detail["loc"] in misspelt)
    ]


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key{nearest(str(detail['loc'][-1]), _keys(detail, model))}"
        case "missing":
            return "is required"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "float_type" | "float_parsing":
            return f"must be a number, got {detail['input']!r}"
        case "int_type" | "int_parsing":
            return f"must be a whole number, got {detail['input']!r}"
        case "string_type" if isinstance(detail["input"], bool):
            # YAML 1.1 reads no, off, yes and on as booleans.
            return f"must be text, got the boolean {detail['input']}: put it in quotes"
        case _:
            rule = detail["msg"].replace("Input should be", "must be")
            return f"{rule}, got {detail['input']!r}"


def _nearest_key(detail: ErrorDetails, model: type[BaseModel]) -> str:
    hint = nearest(str(detail["loc"][-1]), _keys(detail, model))
    return hint.partition("'")[2].partition("'")[0]


def _keys(detail: ErrorDetails, model: type[BaseModel]) -> list[str]:
    """Keys allowed where an unknown one stood: walk down the model along the error's path."""
    for step in detail["loc"][:-1]:
        if isinstance(step, str) and step in model.model_fields:
            model = next(_models_in(model.model_fields[step].annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def complain(file: str, problems: Sequence[Problem], lines: Mapping[Path, int] | None = None) -> UserError:
    """Build the one error for a file: a line per problem with line number, place and message."""
    rows = sorted(
        (_line(problem.path, lines or {}), written(problem.path), problem.message) for problem in problems
    )
    place = max(len(f"line {line}") if line else 0 for line, _, _ in rows)
    path = max(len(name) for _, name, _ in rows)
    count = f"{len(rows)} problem{'s' if len(rows) > 1 else ''}"
    listing = (
        f"  {f'line {line}' if line else '':<{place}}  {name:<{path}}  {message}"
        for line, name, message in rows
    )
    return UserError("\n".join([f"{file}: {count}", *(row.rstrip() for row in listing)]))


def _line(path: Path, lines: Mapping[Path, int]) -> int:
    """Line of the key itself, or of the nearest thing around it that the file contains; 0 if unknown."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def written(path: Path) -> str:
    """``("grid", "keep", 1)`` as it is written: ``grid.keep[1]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
