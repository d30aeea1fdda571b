"""POPE: is there such an object in the image? Official records or the hub (Li et al. 2023)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from robust_atp.data.coco import CocoConfig
from robust_atp.data.config import DataFile
from robust_atp.data.example import Example
from robust_atp.data.hub import HubTable
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.json_stream import records
from robust_atp.data.official import field, identifier, text
from robust_atp.errors import UserError


class POPEConfig(CocoConfig):
    """Keys of a POPE data set in a study file; ``split`` names the strategy: random, popular or adversarial.

    Records name the files of COCO 2014. ``image_name`` says what the folder calls them: ``{image}`` is the
    record's own name, ``{image_id}`` the number in it, so that a COCO 2017 folder is ``{image_id:012d}.jpg``.
    ``protocol``: ``official``, or ``lmms-eval``, which takes the bare word only.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "official files": ("questions", "images_folder"),
        "the hub": ("hub",),
    }
    NAMED_BY: ClassVar[Mapping[str, tuple[object, object]]] = {
        "image": ("1.jpg", "2.jpg"),
        "image_id": (1, 2),
    }

    questions: DataFile | None = None
    image_name: str = "{image}"
    subset: str = "Full"
    """Of the hub's data set: the one that has the strategies for splits."""
    protocol: Literal["official", "lmms-eval"] = "official"

    @property
    def scored_by(self) -> str:
        """Name of the score: that of the official program, or of the protocol."""
        return "pope" if self.protocol == "official" else f"pope:{self.protocol}"

    def read(self) -> ImageQuestions:
        """Read the questions; images are read one by one when they are asked for."""
        if self.hub is not None:
            table = HubTable(self.hub, self.split, self.revision, self.subset)
            found = _rows(table, self.hub)
            images = table.image_index(
                _file_name(row["image_source"]) for row in table.rows(["image_source"])
            )
            what, read_image, revision = self.hub, images.read, table.commit
        else:
            assert self.questions is not None
            found = _records(self.questions)
            what, read_image, revision = str(self.questions), self.read_image, ""
        return ImageQuestions(
            self,
            (pope_example(record, where) for record, where in found),
            read_image,
            what=what,
            read_mask=self.mask_reader(),
            limit=self.limit,
            revision=revision,
        )


def pope_example(record: Any, where: str) -> Example:
    """An official record ``{"question_id", "image", "text", "label"}`` as an example."""
    label = field(record, "label", where)
    if label not in ("yes", "no"):
        raise UserError(f"{where}: label must be yes or no, got {label!r}")
    return Example(
        image_id=text(record, "image", where),
        question_id=identifier(record, "question_id", where),
        question=text(record, "text", where),
        answers=(label,),
        answer=label,
        question_type="existence",
        answer_type="yes/no",
        original=json.dumps(record, ensure_ascii=False),
    )


def _records(file: Path) -> Iterator[tuple[Any, str]]:
    return ((record, f"{file}, record {number}") for number, record in enumerate(records(file), start=1))


def _rows(table: HubTable, hub: str) -> Iterator[tuple[Any, str]]:
    for number, row in enumerate(table.rows(("question_id", "image_source", "question", "answer"))):
        record = {
            "question_id": row["question_id"],
            "image": _file_name(row["image_source"]),
            "text": row["question"],
            "label": row["answer"],
        }
        yield record, f"{hub}, row {number}"


def _file_name(source: str) -> str:
    # The hub names photos without the suffix that the official records give them.
    return source if Path(source).suffix else f"{source}.jpg"
