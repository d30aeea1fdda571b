"""Reading a study file, with all its errors at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from robust_atp.data import DATASETS
from robust_atp.errors import UserError
from robust_atp.problems import Problem, complain, problems_of
from robust_atp.sweep import yaml_file
from robust_atp.sweep.study import Study


def load_study(path: str | Path, overrides: Iterable[str] = ()) -> Study:
    """Read and check a study file.

    ``overrides`` are ``key=value`` settings as for ``--set``, applied before ``${NAME}`` is replaced by the
    environment. Relative paths resolve against ``data_root``, or else against the folder of the file.
    ``UserError`` with every problem, its line and the nearest allowed value.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"study file {path} cannot be read: {error.strerror}") from None
    document, lines, problems = yaml_file.parse(text, str(path))
    if not isinstance(document, dict):
        raise UserError(f"{path}: a study file is a mapping with the keys {', '.join(_file_keys())}")
    changed = yaml_file.override(document, overrides)
    document, unset = yaml_file.expand(document)
    study, wrong = _validate(document, path.parent.resolve(), variables_missing=bool(unset))
    problems += unset + wrong
    if study is None or problems:
        raise complain(
            str(path), problems, {place: line for place, line in lines.items() if place not in changed}
        )
    return study


def study_from_record(document: Mapping[str, Any]) -> Study:
    """Rebuild a study from what a finished sweep recorded; its data files need not exist here."""
    study, problems = _validate(dict(document), base=None)
    if study is None:
        raise complain("recorded study", problems)
    return study


def _file_keys() -> list[str]:
    return ["data_root", *Study.model_fields]


def _validate(
    document: dict, base: Path | None, variables_missing: bool = False
) -> tuple[Study | None, list[Problem]]:
    document = dict(document)
    problems: list[Problem] = []
    root = document.pop("data_root", None)
    if base is not None and root is not None:
        base = base / Path(str(root)).expanduser()
        if not variables_missing and not base.is_dir():
            problems.append(Problem(("data_root",), f"no such folder: {base}"))
    # Without the variables no path is known: check the rest of the file, not the files it names.
    context = {"base": None if problems or variables_missing else base}
    if isinstance(document.get("data"), list):
        document["data"] = [_dataset(item, i, context, problems) for i, item in enumerate(document["data"])]
    try:
        return Study.model_validate(document, context=context if base else None), problems
    except ValidationError as error:
        # An entry of data that failed above is left in place as a mapping, so that it has been reported once.
        problems += [p for p in problems_of(error, Study) if not (p.path[0] == "data" and len(p.path) > 1)]
        return None, problems


def _dataset(item: Any, index: int, context: dict, problems: list[Problem]) -> Any:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str):
        problems.append(Problem(("data", index), f"needs a name, one of: {', '.join(DATASETS.names())}"))
        return item
    try:
        model = DATASETS.get(name)
        return model.model_validate(item, context=context)
    except UserError as error:
        problems.append(Problem(("data", index, "name"), str(error)))
    except ValidationError as error:
        problems += problems_of(error, model, ("data", index))
    return item
