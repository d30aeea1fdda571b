"""POPE: is there such an object in the image? Official records and a folder of images (Li et al. 2023)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from robust_atp.data.config import DataFile, DataFolder, DatasetConfig
from robust_atp.data.example import Example
from robust_atp.data.images import read_rgb
from robust_atp.data.official import by_image, field, fill, fingerprint, read_json_records, require_unique
from robust_atp.errors import UserError

# The number at the end of COCO_val2014_000000000450.jpg, which names the photo in every year's release.
_COCO_NUMBER = re.compile(r"(\d+)\.\w+$")


class POPEConfig(DatasetConfig):
    """Keys of a POPE data set in a study file; ``split`` names the strategy: random, popular or adversarial.

    Records name the files of COCO 2014. ``image_name`` says what the folder calls them: ``{image}`` is the
    record's own name, ``{image_id}`` the number in it, so that a COCO 2017 folder is ``{image_id:012d}.jpg``.
    ``limit`` keeps the first so many images.
    """

    questions: DataFile
    images_folder: DataFolder
    image_name: str = "{image}"
    limit: int | None = Field(default=None, ge=1)

    @field_validator("image_name")
    @classmethod
    def _fills_in(cls, pattern: str) -> str:
        if fill(pattern, image="1.jpg", image_id=1) == fill(pattern, image="2.jpg", image_id=2):
            raise ValueError("must contain {image} or {image_id}, e.g. {image_id:012d}.jpg")
        return pattern

    def load(self) -> "POPE":
        """Read the questions; images are read one by one when they are asked for."""
        return POPE(self)


class POPE:
    """Yes/no questions about the presence of objects, one reference answer each."""

    metric = "pope"

    def __init__(self, config: POPEConfig) -> None:
        self.name, self.split = config.name, config.split
        self._config = config
        self._examples = by_image(_read(config.questions), config.limit)
        self.fingerprint = fingerprint(config.questions)

    def examples(self) -> Sequence[Example]:
        """All questions, grouped by image, images in the order of the file."""
        return self._examples

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]; the image id is the record's file name."""
        number = _COCO_NUMBER.search(image_id)
        values = {"image": image_id} | ({"image_id": int(number[1])} if number else {})
        return read_rgb(self._config.images_folder / fill(self._config.image_name, **values))

    def object_mask(self, image_id: str) -> None:
        """POPE has no masks."""


def _read(file: Path) -> list[Example]:
    examples = [
        _example(record, f"{file}, record {i}") for i, record in enumerate(read_json_records(file), start=1)
    ]
    if not examples:
        raise UserError(f"{file}: holds no questions")
    require_unique((example.question_id for example in examples), f"question ids in {file}")
    return examples


def _example(record: Any, where: str) -> Example:
    label = field(record, "label", where)
    if label not in ("yes", "no"):
        raise UserError(f"{where}: label must be yes or no, got {label!r}")
    return Example(
        image_id=field(record, "image", where),
        question_id=str(field(record, "question_id", where)),
        question=field(record, "text", where),
        answers=(label,),
        answer=label,
        question_type="existence",
        answer_type="yes/no",
    )
