"""YAML with line numbers, without duplicate keys, with overrides and environment variables."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from robust_atp.errors import UserError
from robust_atp.problems import Path, Problem

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_STEP = re.compile(r"[^.\[\]]+")


def parse(text: str, file: str) -> tuple[Any, dict[Path, int], list[Problem]]:
    """Parse YAML text.

    Returns the value, the line of every key and list item, and a problem for each key that stands twice in
    one mapping (PyYAML would silently keep the last). ``UserError`` with the line if it is no YAML.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{file}:{line}: not valid YAML: {error.problem}") from None
    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    for path, line in _places(root, ()):
        if path in lines:
            problems.append(Problem(path, f"stands twice, in line {lines[path]} and in line {line}"))
        lines[path] = line
    return value, lines, problems


def _places(node: yaml.Node | None, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _places(child, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield (*path, index), child.start_mark.line + 1
            yield from _places(child, (*path, index))


def override(document: Any, settings: Iterable[str]) -> set[Path]:
    """Apply ``grid.severity=[1, 3]`` and ``data[0].limit=10`` to a document in place; values are YAML.

    Returns the paths that were set. ``UserError`` for a setting that is no ``key=value`` or leads nowhere.
    """
    changed = set()
    for setting in settings:
        target, equals, text = setting.partition("=")
        steps = _STEP.findall(target)
        if not equals or not steps:
            raise UserError(f"--set takes key=value, e.g. --set grid.severity=[1,3]; got '{setting}'")
        try:
            changed.add(_put(document, steps, yaml.safe_load(text)))
        except yaml.YAMLError as error:
            raise UserError(f"--set {target}: '{text}' is not valid YAML: {error}") from None
        except (IndexError, TypeError, ValueError):
            raise UserError(f"--set {target}: there is no such place in the study file") from None
    return changed


def _put(node: Any, steps: list[str], value: Any) -> Path:
    """Set a value; returns its path. A section that is left out comes into being, a list item does not."""
    path: Path = ()
    for number, name in enumerate(steps, start=1):
        step = int(name) if isinstance(node, list) else name
        path = (*path, step)
        if number == len(steps):
            node[step] = value
        else:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
    return path


def expand(
    value: Any, environment: Mapping[str, str] = os.environ, path: Path = ()
) -> tuple[Any, list[Problem]]:
    """Replace ``${NAME}`` in all strings; a problem for every variable that is not set."""
    problems: list[Problem] = []

    def visit(node: Any, path: Path) -> Any:
        if isinstance(node, dict):
            return {key: visit(child, (*path, key)) for key, child in node.items()}
        if isinstance(node, list):
            return [visit(child, (*path, index)) for index, child in enumerate(node)]
        if not isinstance(node, str):
            return node
        unset = [name for name in _VARIABLE.findall(node) if name not in environment]
        problems.extend(Problem(path, f"the environment variable {name} is not set") for name in unset)
        return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), node)

    return visit(value, path), problems
