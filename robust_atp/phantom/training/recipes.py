"""The phantom backbones: architecture, world and training of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transformers import CLIPModel, PreTrainedModel, ProcessorMixin

from robust_atp.phantom import blip2, flamingo, llava
from robust_atp.phantom.model import save_backbone
from robust_atp.phantom.training.blip2 import train_blip2
from robust_atp.phantom.training.flamingo import train_flamingo
from robust_atp.phantom.training.llava import train_llava


class Train(Protocol):
    """Train a backbone that sees through CLIP's vision tower, with checkpoints in ``work``."""

    def __call__(self, clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int) -> PreTrainedModel:
        """Return the trained model; ``steps`` are those of the last stage."""


@dataclass(frozen=True)
class Recipe:
    """How one backbone comes about."""

    world: str
    steps: int
    train: Train
    build_processor: Callable[[], ProcessorMixin]
    prompt: str

    def cook(self, clip: CLIPModel, work: Path, out: Path, *, steps: int | None, seed: int) -> None:
        """Train, or continue from ``work``, and write the checkpoint folder ``out``."""
        model = self.train(clip, self.world, work, steps=steps or self.steps, seed=seed)
        save_backbone(out, clip.cpu(), model.cpu(), self.build_processor(), self.prompt)


RECIPES = {
    "phantom": Recipe("neutral", 2600, train_llava, llava.build_processor, llava.PROMPT),
    # The shortcut is what a model learns first and unlearns later from the 5 % of scenes that contradict it: after
    # 500 steps the aligned-minus-conflict gap was down to 29 points. So training stops early.
    "phantom-shortcut": Recipe("shortcut", 300, train_llava, llava.build_processor, llava.PROMPT),
    "phantom-blip2": Recipe("neutral", 2000, train_blip2, blip2.build_processor, blip2.PROMPT),
    "phantom-flamingo": Recipe("neutral", 800, train_flamingo, flamingo.build_processor, flamingo.PROMPT),
}
