"""Your own images and questions: a table (CSV, JSON lines, Parquet) with a folder of images, or a hub data set."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from robust_atp.data.config import DataFile, DataFolder, PublishedConfig
from robust_atp.data.example import Example
from robust_atp.data.hub import HubTable
from robust_atp.data.image_folder import read_below
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.json_stream import records
from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_KNOWN = (
    "image",
    "file_name",
    "question",
    "answer",
    "answers",
    "question_id",
    "question_type",
    "answer_type",
)


class TableConfig(PublishedConfig):
    """Keys in a study file.

    One row is one question. Columns: ``image`` or ``file_name``, a file of ``images_folder``; ``question``; ``answer``,
    or ``answers`` (a list; in a CSV as JSON); optionally ``question_id``, ``question_type``, ``answer_type``. Every
    other column of text or numbers becomes part of the group. Without ``table``, the images folder holds its own as
    metadata.csv, metadata.jsonl or metadata.parquet. On the hub ``image`` is the picture itself, and ``file_name``
    tells which rows show the same.

    ``metric``: ``exact`` (equal to an answer but for case, articles and punctuation), any name of
    ``robust_atp.scoring.METRICS``, or ``cider`` for captions.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "a folder of images, with a table": ("images_folder",),
        "the hub": ("hub",),
    }

    table: DataFile | None = None
    images_folder: DataFolder | None = None
    subset: str | None = None
    metric: Literal[
        "exact",
        "vqa",
        "vqa:always-normalise",
        "pope",
        "pope:lmms-eval",
        "gqa",
        "gqa:llava",
        "gqa:lmms-eval",
        "cider",
    ] = "exact"

    @property
    def scored_by(self) -> str:
        """The study's ``metric``."""
        return self.metric

    @property
    def task(self) -> str:
        """Captions if they are scored as such."""
        return CAPTION if self.metric == "cider" else super().task

    def read(self) -> ImageQuestions:
        """Read the table; images are read one by one when they are asked for."""
        revision = ""
        if self.hub is not None:
            table = HubTable(self.hub, self.split, self.revision, self.subset)
            found = _hub_rows(table)
            read_image = table.image_index(row["image"] for row in _hub_rows(table)).read
            what, revision = self.hub, table.commit
        else:
            folder = self.images_folder
            assert folder is not None
            file = self.table or _metadata(folder)
            found, what = _rows(file), str(file)

            def read_image(image_id: str) -> Any:
                return read_below(folder, image_id)

        return ImageQuestions(
            self,
            (_example(row, f"{what}, row {number}", number) for number, row in enumerate(found, start=1)),
            read_image,
            what=what,
            limit=self.limit,
            revision=revision,
        )


def _hub_rows(table: HubTable) -> Iterator[dict[str, Any]]:
    """Rows without their pictures, which go by their file names, or else by the numbers of their rows."""
    columns = [name for name in table.columns if name != "image"]
    for number, row in enumerate(table.rows(columns)):
        yield row | {"image": str(row.get("file_name", number))}


def _metadata(folder: Path) -> Path:
    for name in _METADATA:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} holds none of {', '.join(_METADATA)}: give table")


def _rows(file: Path) -> Iterator[Any]:
    match file.suffix.lower():
        case ".csv":
            return _csv_rows(file)
        case ".jsonl" | ".json":
            return records(file)
        case ".parquet":
            return _parquet_rows(file)
        case suffix:
            raise UserError(f"table {file}: must be .csv, .jsonl, .json or .parquet, not '{suffix}'")


def _csv_rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                if None in row or None in row.values():
                    raise UserError(f"{file}: row {row} has not as many fields as the header")
                yield {name: value for name, value in row.items() if value != ""}
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is not UTF-8 text: {error.reason}") from error
    except csv.Error as error:
        raise UserError(f"{file} is no CSV file: {error}") from error


def _parquet_rows(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=256):
            yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise UserError(f"{file} is no Parquet file: {error}") from error


def _example(row: Any, where: str, number: int) -> Example:
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected an object, got {type(row).__name__}")
    row = {name: value for name, value in row.items() if value is not None}
    image = row.get("image", row.get("file_name"))
    if image is None or "question" not in row:
        lacking = "question" if image is not None else "image (or file_name)"
        raise UserError(f"{where}: lacks {lacking} (has: {', '.join(row) or 'nothing'})")
    answers = _answers(row, where)
    return Example(
        image_id=str(image),
        question_id=str(row.get("question_id", number)),
        question=str(row["question"]),
        answers=answers,
        answer=str(row.get("answer", Counter(answers).most_common(1)[0][0])),
        question_type=str(row.get("question_type", "question")),
        answer_type=str(row.get("answer_type", "yes/no" if set(answers) <= {"yes", "no"} else "other")),
        group={name: str(value) for name, value in row.items() if _is_group(name, value)},
        original=json.dumps(row, ensure_ascii=False, default=str),
    )


def _answers(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    answers = row.get("answers", row.get("answer"))
    if isinstance(answers, str) and "answers" in row:
        try:
            answers = json.loads(answers)
        except json.JSONDecodeError:
            raise UserError(
                f"{where}: 'answers' must be a JSON list, got {answers!r}; or use answer"
            ) from None
    if answers is None or answers == []:
        raise UserError(f"{where}: lacks answer or answers (has: {', '.join(row)})")
    return tuple(map(str, answers)) if isinstance(answers, list) else (str(answers),)


def _is_group(name: str, value: Any) -> bool:
    return name not in _KNOWN and isinstance(value, str | int | float)
