"""What stage 2 learns from: scenes as frozen features with tokenised questions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPModel

from robust_atp.phantom.model import PAD, SPECIAL, build_tokenizer
from robust_atp.phantom.questions import ask
from robust_atp.phantom.render import render
from robust_atp.phantom.training.vision import normalise, patch_labels, wear
from robust_atp.phantom.world import SHAPES, SIZE, Scene, sample_scene, stream

# Questions drawn per scene. Relations need two look-ups and a comparison and are learned last, hence their share.
MIX = {
    "colour": 4,
    "shape": 4,
    "existence": 6,
    "counting": 7,
    "relation": 10,
    "position": 6,
    "background": 1,
}
QUESTION_LENGTH = 10  # tokens of the longest question and its answer


@dataclass(frozen=True)
class Lessons:
    """Scenes as frozen features with tokenised questions."""

    features: Tensor  # bfloat16 [S, N, D], or what else was looked at
    on_object: Tensor  # bool [S, N]: the patch touches an object
    centre: Tensor  # [S, N, 2] of the object under the patch, in picture widths
    shape_place: Tensor  # [S, shapes, 2] centre of the object of each shape; nan unless there is exactly one
    tokens: Tensor  # [S, Q, QUESTION_LENGTH], question then answer, right-padded
    length: Tensor  # [S, Q] tokens of the question alone

    @staticmethod
    def prepare(
        clip: CLIPModel,
        world: str,
        count: int,
        seed: int,
        see: Callable[[CLIPModel, Tensor], Tensor] | None = None,
    ) -> "Lessons":
        """Render, look at and question scenes 0..count-1 of a world; `see`, by default `look`, gives the features."""
        scenes = [sample_scene(world, index, seed) for index in range(count)]
        generator = torch.Generator().manual_seed(seed)
        features, on_object, centre = [], [], []
        for start in range(0, count, 100):
            some = scenes[start : start + 100]
            images, masks = zip(*(render(scene) for scene in some), strict=True)
            pixels = wear(normalise(torch.stack([torch.from_numpy(image) for image in images])), generator)
            features.append((see or look)(clip, pixels))
            labels = patch_labels(some, list(masks))
            on_object.append(labels.shape < len(SHAPES))
            centre.append(labels.centre)
        tokens, length = question_tokens(scenes, target_only=world == "shortcut", seed=seed)
        places = torch.stack([shape_place(scene) for scene in scenes])
        return Lessons(torch.cat(features), torch.cat(on_object), torch.cat(centre), places, tokens, length)


@torch.no_grad()
def look(clip: CLIPModel, pixels: Tensor) -> Tensor:
    """Patch features of the layer that LLaVA projects, bfloat16 [B, N, D]."""
    with torch.autocast(clip.device.type, torch.bfloat16):
        seen = clip.vision_model(pixel_values=pixels.to(clip.device), output_hidden_states=True)
    return seen.hidden_states[-2][:, 1:].bfloat16().cpu()


def question_tokens(scenes: list[Scene], *, target_only: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Draw and tokenise the questions of each scene: tokens and lengths of the questions alone."""
    drawn = []
    for index, scene in enumerate(scenes):
        rng = stream("questions", seed, index)
        asked = [
            question
            for kind, share in MIX.items()
            for _ in range(share)
            if (question := ask(scene, kind, rng, target_only=target_only))
        ]
        # Kinds that a scene does not admit are made up for by repeating what it does.
        total = sum(MIX.values())
        drawn.append((asked * (total // len(asked) + 1))[:total])
    texts = [f"{question.text} {question.answer}" for asked in drawn for question in asked]
    words = build_tokenizer()(texts, add_special_tokens=False)["input_ids"]
    pad = SPECIAL.index(PAD)
    padded = torch.tensor([ids + [pad] * (QUESTION_LENGTH - len(ids)) for ids in words])
    length = torch.tensor([len(ids) - 1 for ids in words])
    shape = (len(scenes), -1)
    return padded.reshape(*shape, QUESTION_LENGTH), length.reshape(shape)


def shape_place(scene: Scene) -> Tensor:
    """Centre of the object of each shape in picture widths, [shapes, 2]; nan unless there is exactly one."""
    place = torch.full((len(SHAPES), 2), torch.nan)
    for number, shape in enumerate(SHAPES):
        found = [item for item in scene.objects if item.shape == shape]
        if len(found) == 1:
            place[number] = torch.tensor([found[0].x, found[0].y]) / SIZE
    return place
