"""Flamingo on the frozen features of its vision tower: the resampler alone, then with the language model.

What makes a tiny resampler converge is a dense task: latent l reports which object, if any, has its centre in cell l
of a grid of 8 × 8 cells, off which linear readers must tell its shape, colour and place. It tells three of four
objects after 500 steps, having told none after 150 (measured).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPModel, IdeficsForVisionText2Text

from robust_atp.phantom.flamingo import PROMPT, SIDE, build_flamingo, build_processor
from robust_atp.phantom.model import LAYERS
from robust_atp.phantom.training.blocks import (
    Batch,
    answer_loss,
    at_answer,
    block_mask,
    draw_keep,
    subset,
    take,
    words,
)
from robust_atp.phantom.training.compass import Compass
from robust_atp.phantom.training.labels import seen_in_cells
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.training.place_reader import PlaceReader

SIZE = 64  # pictures per step
RESAMPLER_STEPS = 500


@torch.no_grad()
def look(flamingo: IdeficsForVisionText2Text, pixels: Tensor) -> Tensor:
    """All that the resampler reads, CLS token first: [B, 1 + N, D]."""
    with torch.autocast(flamingo.device.type, torch.bfloat16):
        return flamingo.model.vision_model(pixel_values=pixels.to(flamingo.device)).last_hidden_state


def resample(flamingo: IdeficsForVisionText2Text, features: Tensor, kept: Tensor) -> Tensor:
    """Latents [B, latents, D] from the CLS token and the kept patches [B, K] of features [B, 1 + N, D]."""
    cls = torch.zeros_like(kept[:, :1])
    return flamingo.model.perceiver_resampler(take(features, torch.cat([cls, 1 + kept], 1)))


def forward(
    flamingo: IdeficsForVisionText2Text, latents: Tensor, tokens: Tensor, length: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits at the last question token and at the answer, [B, Q, 2, V], and the words half-way up, [B, Q, T, D].

    latents [B, latents, D], tokens [B, Q, QUESTION_LENGTH], length [B, Q].
    """
    batch, blocks = tokens.shape[:2]
    device = tokens.device
    start, start_sees = (part.to(device) for part in prefix())
    ids = torch.cat([start.expand(batch, -1), tokens.flatten(1)], 1)  # [B, L]
    embeddings = flamingo.get_input_embeddings()(ids)
    asked_at = len(start) + torch.arange(QUESTION_LENGTH, device=device).repeat(blocks)
    positions = torch.cat([torch.arange(len(start), device=device), asked_at])
    sees = torch.cat([start_sees, torch.ones_like(asked_at)])  # [L]
    hidden = flamingo.model(
        inputs_embeds=embeddings,
        attention_mask=block_mask(len(start), blocks).to(embeddings),
        position_ids=positions.expand(batch, -1),
        perceiver_embeddings=latents[:, None],
        image_attention_mask=sees[None, :, None].expand(batch, -1, -1),
        use_cache=False,
        output_hidden_states=True,
    )
    middle, last = (
        words(layer, blocks) for layer in (hidden.hidden_states[LAYERS // 2], hidden.last_hidden_state)
    )
    return flamingo.lm_head(at_answer(last, length)), middle


def prefix() -> tuple[Tensor, Tensor]:
    """Token ids of the prompt before the question, and which of them see the image, 0 or 1: from the image on."""
    processor = build_processor()
    ids = torch.tensor(processor.tokenizer(PROMPT.format(question=""))["input_ids"])
    return ids, (ids == processor.image_token_id).long().cumsum(0)


def train_flamingo(
    clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int
) -> IdeficsForVisionText2Text:
    """Train a Flamingo on top of CLIP's vision tower; resumes from the checkpoints in ``work``."""
    flamingo = build_flamingo(clip).to(clip.device)  # type: ignore[arg-type]  # their decorator hides the signature
    model = flamingo.model
    seeing = {"reader": PlaceReader().to(clip.device), "resampler": model.perceiver_resampler}
    language = {
        "compass": Compass().to(clip.device),
        "embeddings": model.embed_tokens,
        "layers": model.layers,
        "cross": model.gated_cross_attn_layers,
        "norm": model.norm,
        "head": flamingo.lm_head,
    }
    if finished(work / "language.pt", seeing | language, steps):
        return flamingo
    lessons = Lessons.prepare(lambda pixels: look(flamingo, pixels), world, 12000, seed)
    for core in (model.perceiver_resampler, model):
        accelerate(flamingo, core)
    train_resampler(flamingo, seeing, lessons, work / "resampler.pt", steps=RESAMPLER_STEPS, seed=seed)
    train_language(flamingo, seeing | language, lessons, work / "language.pt", steps=steps, seed=seed + 1)
    return flamingo


def train_resampler(
    flamingo: IdeficsForVisionText2Text,
    trained: dict[str, Any],
    lessons: Lessons,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    """First stage: the latents learn to report on their cells; resumes from ``checkpoint``."""
    if finished(checkpoint, trained, steps):
        return
    device = flamingo.device
    generator = torch.Generator().manual_seed(seed)
    patches = lessons.features.shape[1] - 1

    def step(number: int) -> tuple[Tensor, float]:
        rows = torch.randint(len(lessons.scenes), (SIZE,), generator=generator)
        keep = draw_keep(number, patches, generator)
        kept = subset(lessons.patches.on_object[rows], keep, generator).to(device)
        shown = lessons.patches.of(rows, device)
        with torch.autocast(device.type, torch.bfloat16):
            latents = resample(flamingo, lessons.features[rows].to(device), kept)
            loss, accuracy = trained["reader"](latents, seen_in_cells(shown, kept, SIDE))
        return loss, accuracy.item()

    train(
        "resampler",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )


def train_language(
    flamingo: IdeficsForVisionText2Text,
    trained: dict[str, Any],
    lessons: Lessons,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    """Second stage: resampler and decoder learn to answer; resumes from ``checkpoint``."""
    device = flamingo.device
    generator = torch.Generator().manual_seed(seed)
    patches = lessons.features.shape[1] - 1

    def step(number: int) -> tuple[Tensor, float]:
        batch = Batch.draw(lessons, SIZE, draw_keep(number, patches, generator), generator)
        features, kept, tokens, length = (
            part.to(device) for part in (lessons.features[batch.rows], batch.kept, batch.tokens, batch.length)
        )
        shown = lessons.patches.of(batch.rows, device)
        place = lessons.shape_place[batch.rows].to(device)
        with torch.autocast(device.type, torch.bfloat16):
            latents = resample(flamingo, features, kept)
            logits, middle = forward(flamingo, latents, tokens, length)
            reported, _ = trained["reader"](latents, seen_in_cells(shown, kept, SIDE))
            named = trained["compass"].of_words(middle, tokens, length, place)
        answered, right = answer_loss(logits, tokens, length)
        return answered + 3 * named + 0.3 * reported, right

    train(
        "language (Flamingo)",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )
