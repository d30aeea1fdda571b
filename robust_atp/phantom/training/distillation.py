"""A vision tower of another architecture learns to see as CLIP's does, so that CLIP's text tower fits it too."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Blip2VisionModel, CLIPModel

from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.training.vision import Pictures, normalise, wear

BATCH = 32  # pictures


def distil(clip: CLIPModel, tower: Blip2VisionModel, checkpoint: Path, *, steps: int, seed: int) -> None:
    """Train ``tower`` to have the hidden states of CLIP's vision tower, layer by layer; resumes from ``checkpoint``.

    The progress bar shows the cosine between the two towers' normed outputs.
    """
    trained: dict[str, nn.Module] = {"tower": tower}
    if finished(checkpoint, trained, steps):
        return
    generator = torch.Generator().manual_seed(seed)
    teacher: Any = clip.vision_model.requires_grad_(False)
    accelerate(clip, teacher)
    accelerate(tower, tower)
    crowded = Pictures.render("neutral", 2000, seed + 1, objects=(8, 12))
    ordinary = Pictures.render("neutral", 4000, seed, objects=(2, 4))

    def step(number: int) -> tuple[Tensor, float]:
        pictures = crowded if number % 4 == 0 else ordinary
        rows = torch.randint(len(pictures.images), (BATCH,), generator=generator)
        pixels = wear(normalise(pictures.images[rows]), generator).to(tower.device)
        with torch.autocast(tower.device.type, torch.bfloat16):
            with torch.no_grad():
                states = teacher(pixel_values=pixels, output_hidden_states=True).hidden_states
                taught = [*states[1:], teacher.post_layernorm(states[-1])]
            seen = tower(pixel_values=pixels, output_hidden_states=True)
            learned = [*seen.hidden_states[1:], seen.last_hidden_state]
        pairs = [(mine.float(), theirs.float()) for mine, theirs in zip(learned, taught, strict=True)]
        loss = torch.stack([(mine - theirs).square().mean() / theirs.var() for mine, theirs in pairs]).sum()
        return loss, torch.cosine_similarity(*pairs[-1], dim=-1).mean().item()

    train(
        "distillation",
        trained,
        step,
        steps=steps,
        learning_rate=1e-3,
        generator=generator,
        checkpoint=checkpoint,
    )
