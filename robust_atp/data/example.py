"""What every data set is turned into: questions about images, and a way to get the pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Example:
    """One question about one image.

    ``answers`` holds all reference answers (ten in VQAv2, one in GQA and POPE); ``answer`` is the most
    frequent one. ``group`` holds data-set specific keys, e.g. ``{"alignment": "conflict"}``.
    """

    image_id: str
    question_id: str
    question: str
    answers: tuple[str, ...]
    answer: str
    question_type: str
    answer_type: str
    group: Mapping[str, str] = field(default_factory=dict)


class Dataset(Protocol):
    """A split of a data set. Ids are strings everywhere (GQA has leading zeros)."""

    name: str
    split: str
    metric: str  # key into robust_atp.scoring.METRICS: "vqa" | "pope" | "gqa"

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the examples: part of every unit key."""

    def examples(self) -> Sequence[Example]:
        """All questions, grouped by image, in a fixed order."""

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]. ``UserError`` naming the file if it is missing or damaged."""

    def object_mask(self, image_id: str) -> np.ndarray | None:
        """True where an annotated object is, bool [H, W]; None if the data set has no masks or boxes."""
