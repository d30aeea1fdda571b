"""Held-out scenes with their questions: what the data set, the export and the evaluation of training share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robust_atp.phantom.questions import Question, ask
from robust_atp.phantom.render import render
from robust_atp.phantom.world import Scene, sample_scene, stream

# Seeds of the splits. Training draws from seeds below 100, and from other worlds.
SPLITS = {"val": 1000, "test": 2000, "calibration": 3000}

# Questions per scene. The one about shape is about the target, which the planted cue concerns.
ASKED = ("colour", "shape", "existence", "existence", "counting", "relation", "position", "background")


@dataclass(frozen=True)
class HeldOutScene:
    """Scene number ``index`` of a split. Pixels are drawn when asked for."""

    split: str
    world: str
    index: int

    @cached_property
    def scene(self) -> Scene:
        """Objects and background."""
        return sample_scene(self.world, self.index, SPLITS[self.split])

    @cached_property
    def questions(self) -> list[Question]:
        """Up to eight different questions; a kind that the scene does not admit is left out."""
        rng = stream("questions", self.world, SPLITS[self.split], self.index)
        asked = [ask(self.scene, kind, rng, target_only=True) for kind in ASKED]
        return list({question.text: question for question in asked if question}.values())

    @property
    def image(self) -> np.ndarray:
        """Pixels, uint8 RGB [224, 224, 3]."""
        return render(self.scene)[0]

    @property
    def masks(self) -> np.ndarray:
        """One mask per object, bool [objects, 224, 224]."""
        return render(self.scene)[1]


def held_out(split: str, images: int, world: str = "balanced") -> list[HeldOutScene]:
    """The first ``images`` scenes of a split."""
    return [HeldOutScene(split, world, index) for index in range(images)]
