"""VQAv2: questions with ten human answers each, of the official files or the hub (Goyal et al. 2017)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from robust_atp.data.coco import CocoConfig
from robust_atp.data.config import DataFile
from robust_atp.data.example import Example
from robust_atp.data.hub import HubTable
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.json_stream import elements, records
from robust_atp.data.official import field, identifier, text
from robust_atp.data.spool import Spool, some
from robust_atp.errors import UserError

_COLUMNS = (
    "question_id", "image_id", "question", "question_type", "answer_type", "multiple_choice_answer", "answers",
)  # fmt: skip


class VQAv2Config(CocoConfig):
    """Keys of a VQAv2 data set in a study file.

    ``pairs`` is the official list of complementary pairs: the same question about two images, with different answers.
    Both carry it as ``pair`` in their group. ``protocol``: ``official``, or ``always-normalise`` as lmms-eval scores.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "official files": ("questions", "annotations", "images_folder"),
        "the hub": ("hub",),
    }

    questions: DataFile | None = None
    annotations: DataFile | None = None
    pairs: DataFile | None = None
    protocol: Literal["official", "always-normalise"] = "official"

    @property
    def scored_by(self) -> str:
        """Name of the score: that of the official program, or of the protocol."""
        return "vqa" if self.protocol == "official" else f"vqa:{self.protocol}"

    def read(self) -> ImageQuestions:
        """Read questions and annotations; images are read one by one when they are asked for."""
        pairs = Spool(_pairs(self.pairs)) if self.pairs else None
        if self.hub is not None:
            table = HubTable(self.hub, self.split, self.revision)
            found = _rows(table, self.hub)
            images = table.image_index(str(row["image_id"]) for row in table.rows(["image_id"]))
            what, read_image, revision = self.hub, images.read, table.commit
        else:
            assert self.questions is not None
            assert self.annotations is not None
            found = _joined(self.questions, self.annotations)
            what, read_image, revision = str(self.questions), self.read_image, ""
        return ImageQuestions(
            self,
            (_example(record, where, pairs) for record, where in found),
            read_image,
            what=what,
            read_mask=self.mask_reader(),
            limit=self.limit,
            revision=revision,
        )


def _rows(table: HubTable, hub: str) -> Iterator[tuple[dict[str, Any], str]]:
    return ((row, f"{hub}, row {number}") for number, row in enumerate(table.rows(_COLUMNS)))


def _joined(questions_file: Path, annotations_file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Questions with their annotations, in the order of the questions."""
    questions, annotations = (
        Spool(_by_id(file, key)).require_unique(f"question ids in {file}")
        for file, key in ((questions_file, "questions"), (annotations_file, "annotations"))
    )
    _require_none(annotations.keys_missing_in(questions), annotations_file, questions_file)
    _require_none(questions.keys_missing_in(annotations), questions_file, annotations_file)
    for key in questions:
        (question,), (annotation,) = questions.get(key), annotations.get(key)
        where = f"{annotations_file}, question {key}"
        if field(question, "image_id", where) != field(annotation, "image_id", where):
            raise UserError(
                f"{where}: belongs to image {annotation['image_id']}, "
                f"but its question to image {question['image_id']}"
            )
        yield question | annotation, where


def _by_id(file: Path, key: str) -> Iterator[tuple[str, Any]]:
    for number, record in enumerate(elements(file, key)):
        yield identifier(record, "question_id", f"{file}, {key}[{number}]"), record


def _require_none(missing: tuple[list[str], int], here: Path, there: Path) -> None:
    names, count = missing
    if count:
        raise UserError(f"{count} ids are in {here.name} but not in {there.name}: {some(names, count)}")


def _pairs(file: Path) -> Iterable[tuple[str, str]]:
    for number, pair in enumerate(records(file)):
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{file}, pair {number}: expected two question ids, got {pair!r}")
        name = "-".join(map(str, pair))
        yield from ((str(question), name) for question in pair)


def _example(record: Any, where: str, pairs: Spool | None) -> Example:
    answers = field(record, "answers", where)
    if not isinstance(answers, list) or not answers:
        raise UserError(f"{where}: 'answers' must be a list of at least one answer, got {answers!r}")
    question_id = identifier(record, "question_id", where)
    named = pairs.get(question_id) if pairs else []
    return Example(
        image_id=identifier(record, "image_id", where),
        question_id=question_id,
        question=text(record, "question", where),
        answers=tuple(text(answer, "answer", where) for answer in answers),
        answer=text(record, "multiple_choice_answer", where),
        question_type=text(record, "question_type", where),
        answer_type=text(record, "answer_type", where),
        group={"pair": " ".join(named)} if named else {},
        original=json.dumps({key: record[key] for key in _COLUMNS}, ensure_ascii=False),
    )
