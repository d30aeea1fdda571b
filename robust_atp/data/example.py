"""What every data set is turned into: questions about images, and a way to get the pixels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Example:
    """One question about one image.

    ``answers`` holds all reference answers (ten in VQAv2, one in GQA and POPE, five captions in COCO); ``answer`` is
    the most frequent one. ``group`` holds data-set specific keys, e.g. ``{"alignment": "conflict"}``. ``original`` is
    the record of the official file as JSON; it goes into exports and decides nothing.
    """

    image_id: str
    question_id: str
    question: str
    answers: tuple[str, ...]
    answer: str
    question_type: str
    answer_type: str
    group: Mapping[str, str] = field(default_factory=dict)
    original: str = field(default="", compare=False, repr=False)


class Dataset(Protocol):
    """A split of a data set. Ids are strings everywhere (GQA has leading zeros)."""

    name: str
    split: str
    metric: str  # a name that robust_atp.scoring.scorer knows: "vqa" | "pope" | "gqa" | "cider" | ...
    revision: str  # resolved commit of a data set of the hub; empty for files

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the examples: part of every unit key."""

    def image_ids(self) -> Sequence[str]:
        """Ids of the images that questions are asked about, in a fixed order."""

    def examples(self, image_ids: Sequence[str] | None = None) -> Sequence[Example]:
        """All questions, or those about some images: grouped by image, in a fixed order."""

    def references(self) -> Iterable[Sequence[str]]:
        """Reference answers of every image, for a metric that weighs by them."""

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]. ``UserError`` naming the file if it is missing or damaged."""

    def object_mask(self, image_id: str) -> np.ndarray | None:
        """True where an annotated object is, bool [H, W]; None if the data set has no masks or boxes."""

    def corrupted(
        self, image_id: str, intervention: str, severity: int, noise_seed: int
    ) -> np.ndarray | None:
        """Pixels that an export holds of this intervention; None if they are to be made from ``image``."""
