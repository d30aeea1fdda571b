"""The phantom as a data set: scenes are rendered on the fly, nothing is read from disk."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from robust_atp.data.config import DatasetConfig
from robust_atp.data.example import Example
from robust_atp.errors import UserError
from robust_atp.phantom.questions import Question
from robust_atp.phantom.split import HeldOutScene, held_out

ANSWER_TYPES = {"existence": "yes/no", "counting": "number"}
ANNOTATORS = 10  # VQAv2 has ten answers to a question; here they agree


class PhantomConfig(DatasetConfig):
    """Keys of the phantom in a study file.

    In the ``balanced`` world half of the backgrounds suggest the right answer to the question about shape, in the
    ``neutral`` one a sixth, in the ``shortcut`` one 95 %. The split ``calibration`` is for choosing thresholds.
    """

    split: Literal["val", "test", "calibration"] = "test"
    images: int = Field(default=48, ge=1)
    world: Literal["balanced", "neutral", "shortcut"] = "balanced"

    @property
    def scored_by(self) -> str:
        """Official VQA accuracy."""
        return "vqa"

    def read(self) -> "Phantom":
        """Draw the scenes' contents; pixels are rendered when asked for."""
        return Phantom(self)


class Phantom:
    """Rendered scenes of known truth with up to eight questions each and a mask of every object."""

    metric = "vqa"
    revision = ""

    def __init__(self, config: PhantomConfig) -> None:
        self.name: str = config.name
        self.split: str = config.split
        self._scenes = held_out(config.split, config.images, config.world)

    @cached_property
    def fingerprint(self) -> str:
        """Hash over everything that is to be seen and asked."""
        content = repr([(scene.scene, scene.questions) for scene in self._scenes])
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def image_ids(self) -> Sequence[str]:
        """Numbers of the scenes that questions are asked about."""
        return list(dict.fromkeys(example.image_id for example in self._examples))

    def examples(self, image_ids: Sequence[str] | None = None) -> Sequence[Example]:
        """All questions, or those about some scenes, grouped by scene."""
        if image_ids is None:
            return self._examples
        wanted = set(image_ids)
        return [example for example in self._examples if example.image_id in wanted]

    def references(self) -> Iterable[Sequence[str]]:
        """Reference answers of every question."""
        return (example.answers for example in self._examples)

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [224, 224, 3]."""
        return self._scene(image_id).image

    def object_mask(self, image_id: str) -> np.ndarray:
        """True on every object, bool [224, 224]."""
        return np.logical_or.reduce(self._scene(image_id).masks)

    def corrupted(self, image_id: str, intervention: str, severity: int, noise_seed: int) -> None:
        """Only clean scenes are rendered."""

    @cached_property
    def _examples(self) -> tuple[Example, ...]:
        return tuple(
            _example(scene, number, question)
            for scene in self._scenes
            for number, question in enumerate(scene.questions)
        )

    def _scene(self, image_id: str) -> HeldOutScene:
        if not image_id.isdecimal() or int(image_id) >= len(self._scenes):
            raise UserError(f"phantom {self.split} has images 0 to {len(self._scenes) - 1}; got '{image_id}'")
        return self._scenes[int(image_id)]


def _example(scene: HeldOutScene, number: int, question: Question) -> Example:
    return Example(
        image_id=str(scene.index),
        question_id=str(question_id(scene.index, number)),
        question=question.text,
        answers=(question.answer,) * ANNOTATORS,
        answer=question.answer,
        question_type=question.kind,
        answer_type=ANSWER_TYPES.get(question.kind, "other"),
        group={"alignment": question.alignment} if question.alignment else {},
    )


def question_id(image_id: int, number: int) -> int:
    """VQAv2's rule: a thousand numbers per image."""
    return image_id * 1000 + number
