"""Stage 1: CLIP's towers, from nothing.

Contrastive loss on captions, plus what makes a tiny tower learn shapes within minutes: linear heads that must read
shape, colour and centre of the object under each patch off the features that LLaVA will project. Crowded scenes
(8 to 12 objects) alternate with ordinary ones because they hold four times as many labelled patches per picture.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel

from robust_atp.phantom.model import build_tokenizer
from robust_atp.phantom.questions import caption
from robust_atp.phantom.render import render
from robust_atp.phantom.training.labels import PlaceLabels, patch_labels
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.training.place_reader import PlaceReader
from robust_atp.phantom.world import Scene, sample_scene

MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's preprocessing
STD = (0.26862954, 0.26130258, 0.27577711)


def normalise(images: Tensor) -> Tensor:
    """uint8 [B, 224, 224, 3] -> what the vision tower sees, float32 [B, 3, 224, 224]."""
    scaled = (images.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return scaled.permute(0, 3, 1, 2).contiguous()


def wear(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Slightly spoil half of the pictures: noise, contrast, brightness. [B, 3, 224, 224], normalised.

    At most about as strong as severity 1 of the corruptions of these names, so that accuracy falls over the whole
    ladder and not at its first step, where a study would have nothing to tell between clean and blind.
    """
    count = len(pixels)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    some = (torch.rand(count, 1, 1, 1, generator=generator) < 0.5).float()
    contrast = 1 + some * (uniform(0.6, 1.2) - 1)
    spoiled = pixels * contrast + some * uniform(-0.4, 0.4)
    return spoiled + some * uniform(0, 0.3) * torch.randn(pixels.shape, generator=generator)


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of CLIP on unit-length embeddings [B, J]."""
    logits = scale.exp().clamp(max=100) * image @ text.T
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@dataclass(frozen=True)
class Pictures:
    """Rendered scenes with everything stage 1 needs."""

    images: Tensor  # uint8 [S, 224, 224, 3]
    labels: PlaceLabels
    caption_ids: Tensor  # [S, T]
    caption_mask: Tensor  # [S, T]

    @staticmethod
    def render(world: str, count: int, seed: int, objects: tuple[int, int]) -> "Pictures":
        """Render scenes 0..count-1."""
        scenes = [sample_scene(world, index, seed, objects=objects) for index in range(count)]
        images, masks = zip(*(render(scene) for scene in scenes), strict=True)
        words = build_tokenizer(closed=True)(
            [caption(Scene(scene.objects[:4], scene.background, 0)) for scene in scenes],
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        return Pictures(
            torch.from_numpy(np.stack(images)),
            patch_labels(scenes, list(masks)),
            words["input_ids"],
            words["attention_mask"],
        )


def train_step(
    clip: CLIPModel,
    reader: PlaceReader,
    pictures: Pictures,
    rows: Tensor,
    generator: torch.Generator,
    *,
    captions: bool,
) -> tuple[Tensor, Tensor]:
    """Loss and shape accuracy of a batch of pictures; ``captions`` adds the contrastive loss."""
    device = clip.device
    pixels = wear(normalise(pictures.images[rows]), generator).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        seen = clip.vision_model(pixel_values=pixels, output_hidden_states=True)
        loss, accuracy = reader(seen.hidden_states[-2][:, 1:], pictures.labels.of(rows, device))
        if captions:
            image = clip.visual_projection(seen.pooler_output).float()
            words = pictures.caption_ids[rows].to(device), pictures.caption_mask[rows].to(device)
            read = clip.text_model(input_ids=words[0], attention_mask=words[1])
            text = clip.text_projection(read.pooler_output).float()
            matched = contrastive_loss(
                F.normalize(image, dim=-1), F.normalize(text, dim=-1), clip.logit_scale
            )
            loss = loss + 0.3 * matched
    return loss, accuracy


def train_vision(clip: CLIPModel, checkpoint: Path, *, steps: int, seed: int) -> None:
    """Train both CLIP towers; resumes from ``checkpoint``."""
    reader = PlaceReader().to(clip.device)
    trained = {"clip": clip, "reader": reader}
    if finished(checkpoint, trained, steps):
        return
    generator = torch.Generator().manual_seed(seed)
    accelerate(clip, clip.vision_model)
    crowded = Pictures.render("neutral", 6000, seed + 1, objects=(8, 12))
    ordinary = Pictures.render("neutral", 8000, seed, objects=(2, 4))

    def step(number: int) -> tuple[Tensor, float]:
        # Captions join once the patches know shapes: earlier they teach colour only.
        captions = number >= steps // 3 and number % 2 == 1
        pictures, size = (ordinary, 48) if captions else (crowded, 32)
        rows = torch.randint(len(pictures.images), (size,), generator=generator)
        loss, accuracy = train_step(clip, reader, pictures, rows, generator, captions=captions)
        return loss, accuracy.item()

    train(
        "vision", trained, step, steps=steps, learning_rate=2.5e-3, generator=generator, checkpoint=checkpoint
    )
