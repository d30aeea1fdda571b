"""VQAv2 from its official files: questions, annotations and a folder of images (Goyal et al. 2017)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from robust_atp.data.config import DataFile, DataFolder, DatasetConfig
from robust_atp.data.example import Example
from robust_atp.data.images import read_rgb
from robust_atp.data.official import (
    by_image,
    field,
    fill,
    fingerprint,
    read_json,
    records_of,
    require_same,
    require_unique,
)
from robust_atp.errors import UserError


class VQAv2Config(DatasetConfig):
    """Keys of a VQAv2 data set in a study file.

    ``image_name`` turns an image id into a file name: the official archives say
    ``COCO_val2014_{image_id:012d}.jpg``, COCO 2017 folders ``{image_id:012d}.jpg``.
    ``limit`` keeps the first so many images.
    """

    questions: DataFile
    annotations: DataFile
    images_folder: DataFolder
    image_name: str = "COCO_val2014_{image_id:012d}.jpg"
    limit: int | None = Field(default=None, ge=1)

    @field_validator("image_name")
    @classmethod
    def _fills_in(cls, pattern: str) -> str:
        if fill(pattern, image_id=1) == fill(pattern, image_id=2):
            raise ValueError("must contain {image_id}, e.g. {image_id:012d}.jpg")
        return pattern

    def load(self) -> "VQAv2":
        """Read questions and annotations; images are read one by one when they are asked for."""
        return VQAv2(self)


class VQAv2:
    """Questions with ten human answers each, scored by the official VQA accuracy."""

    metric = "vqa"

    def __init__(self, config: VQAv2Config) -> None:
        self.name, self.split = config.name, config.split
        self._config = config
        self._examples = by_image(_join(config.questions, config.annotations), config.limit)
        self.fingerprint = fingerprint(config.questions, config.annotations)

    def examples(self) -> Sequence[Example]:
        """All questions, grouped by image, images in the order of the questions file."""
        return self._examples

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]."""
        return read_rgb(self._config.images_folder / fill(self._config.image_name, image_id=int(image_id)))

    def object_mask(self, image_id: str) -> None:
        """VQAv2 has no masks."""


def _join(questions_file: Path, annotations_file: Path) -> list[Example]:
    questions = _by_id(questions_file, "questions")
    annotations = _by_id(annotations_file, "annotations")
    require_same(set(questions), set(annotations), questions_file.name, annotations_file.name)
    return [
        _example(questions[key], annotations[key], f"{annotations_file}, question {key}") for key in questions
    ]


def _by_id(file: Path, key: str) -> dict[str, Any]:
    records = records_of(read_json(file), key, file)
    ids = [str(field(record, "question_id", f"{file}, {key}[{i}]")) for i, record in enumerate(records)]
    require_unique(ids, f"question ids in {file}")
    return dict(zip(ids, records, strict=True))


def _example(question: Any, annotation: Any, where: str) -> Example:
    image_id = field(question, "image_id", where)
    if image_id != field(annotation, "image_id", where):
        raise UserError(
            f"{where}: belongs to image {annotation['image_id']}, but its question to image {image_id}"
        )
    answers = field(annotation, "answers", where)
    return Example(
        image_id=str(image_id),
        question_id=str(question["question_id"]),
        question=field(question, "question", where),
        answers=tuple(field(answer, "answer", where) for answer in answers),
        answer=field(annotation, "multiple_choice_answer", where),
        question_type=field(annotation, "question_type", where),
        answer_type=field(annotation, "answer_type", where),
    )
