"""BLIP-2's two stages on the frozen features of its vision tower: the Q-Former alone, then with the language model.

What makes a tiny Q-Former converge is a dense task: query q reports which object, if any, has its centre in cell q
of a grid of 7 × 7 cells, off which linear readers must tell its shape, colour and place.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Blip2ForConditionalGeneration, CLIPModel

from robust_atp.phantom.blip2 import SIDE, build_blip2, copy_vision_tower
from robust_atp.phantom.model import BOS, LAYERS, SPECIAL
from robust_atp.phantom.training.blocks import (
    Batch,
    answer_loss,
    at_answer,
    block_mask,
    draw_keep,
    subset,
    words,
)
from robust_atp.phantom.training.compass import Compass
from robust_atp.phantom.training.distillation import distil
from robust_atp.phantom.training.labels import seen_in_cells
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.training.place_reader import PlaceReader

SCENES = 8000
SIZE = 64  # pictures per step
DISTILLATION_STEPS = 300
QFORMER_STEPS = 500


@torch.no_grad()
def look(blip2: Blip2ForConditionalGeneration, pixels: Tensor) -> Tensor:
    """All that the Q-Former reads, CLS token first: [B, 1 + N, D]."""
    with torch.autocast(blip2.device.type, torch.bfloat16):
        return blip2.vision_model(pixel_values=pixels.to(blip2.device)).last_hidden_state


def ask_queries(blip2: Blip2ForConditionalGeneration, features: Tensor, kept: Tensor) -> Tensor:
    """The Q-Former's output [B, queries, D] on the CLS token and the kept patches [B, K] of features [B, 1 + N, D].

    The others are masked, not dropped: the same to the Q-Former, and one shape to compile instead of one for each K.
    """
    mask = torch.zeros(features.shape[:2], dtype=torch.long, device=features.device)
    mask[:, 0] = 1
    mask.scatter_(1, 1 + kept, 1)
    queries = blip2.query_tokens.expand(len(features), -1, -1)
    return blip2.qformer(
        query_embeds=queries, encoder_hidden_states=features, encoder_attention_mask=mask
    ).last_hidden_state


def forward(
    blip2: Blip2ForConditionalGeneration, queried: Tensor, tokens: Tensor, length: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits at the last question token and at the answer, [B, Q, 2, V], and the words half-way up, [B, Q, T, D].

    queried [B, queries, D] is the Q-Former's output, tokens [B, Q, QUESTION_LENGTH], length [B, Q].
    """
    batch, blocks = tokens.shape[:2]
    embed = blip2.get_input_embeddings()
    start = embed(tokens.new_full((batch, 1), SPECIAL.index(BOS)))  # the processor puts it behind the image
    image = blip2.language_projection(queried).to(start.dtype)
    inputs = torch.cat([image, start, embed(tokens.flatten(1))], 1)
    image_end = image.shape[1] + 1
    asked_at = image_end + torch.arange(QUESTION_LENGTH, device=inputs.device).repeat(blocks)
    positions = torch.cat([torch.arange(image_end, device=inputs.device), asked_at])
    hidden = blip2.language_model.model.decoder(
        inputs_embeds=inputs,
        attention_mask=block_mask(image_end, blocks).to(inputs),
        position_ids=positions.expand(batch, -1),
        use_cache=False,
        output_hidden_states=True,
    )
    middle, last = (
        words(layer, blocks) for layer in (hidden.hidden_states[LAYERS // 2], hidden.last_hidden_state)
    )
    return blip2.language_model.lm_head(at_answer(last, length)), middle


def train_blip2(
    clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int
) -> Blip2ForConditionalGeneration:
    """Train a BLIP-2 whose vision tower sees what CLIP's sees; resumes from the checkpoints in ``work``."""
    blip2 = build_blip2().to(clip.device)  # type: ignore[arg-type]  # their decorator hides the signature
    copy_vision_tower(clip, blip2.vision_model)
    distil(clip, blip2.vision_model, work / "distillation.pt", steps=DISTILLATION_STEPS, seed=seed + 10)
    trained = {
        "reader": PlaceReader().to(clip.device),
        "qformer": blip2.qformer,
        "queries": nn.ParameterList([blip2.query_tokens]),
    }
    language = {
        "compass": Compass().to(clip.device),
        "projection": blip2.language_projection,
        "language": blip2.language_model,
    }
    if finished(work / "language.pt", trained | language, steps):
        return blip2
    lessons = Lessons.prepare(lambda pixels: look(blip2, pixels), world, SCENES, seed)
    for core in (blip2.qformer, blip2.language_model.model.decoder):
        accelerate(blip2, core)
    train_qformer(blip2, trained, lessons, work / "qformer.pt", steps=QFORMER_STEPS, seed=seed + 1)
    train_language(blip2, trained | language, lessons, work / "language.pt", steps=steps, seed=seed + 2)
    return blip2


def train_qformer(
    blip2: Blip2ForConditionalGeneration,
    trained: dict[str, nn.Module],
    lessons: Lessons,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    """First stage: the queries learn to report on their cells; resumes from ``checkpoint``."""
    if finished(checkpoint, trained, steps):
        return
    device = blip2.device
    generator = torch.Generator().manual_seed(seed)
    patches = lessons.features.shape[1] - 1

    def step(number: int) -> tuple[Tensor, float]:
        keep = draw_keep(number, patches, generator)
        rows = torch.randint(len(lessons.scenes), (SIZE,), generator=generator)
        kept = subset(lessons.patches.on_object[rows], keep, generator).to(device)
        shown = lessons.patches.of(rows, device)
        with torch.autocast(device.type, torch.bfloat16):
            queried = ask_queries(blip2, lessons.features[rows].to(device), kept)
            loss, accuracy = trained["reader"](queried, seen_in_cells(shown, kept, SIDE))
        return loss, accuracy.item()

    train(
        "Q-Former",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )


def train_language(
    blip2: Blip2ForConditionalGeneration,
    trained: dict[str, nn.Module],
    lessons: Lessons,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    """Second stage: Q-Former, projection and decoder learn to answer; resumes from ``checkpoint``."""
    device = blip2.device
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
            queried = ask_queries(blip2, features, kept)
            logits, middle = forward(blip2, queried, tokens, length)
            reported, _ = trained["reader"](queried, seen_in_cells(shown, kept, SIDE))
            named = trained["compass"].of_words(middle, tokens, length, place)
        answered, right = answer_loss(logits, tokens, length)
        return answered + 3 * named + 0.3 * reported, right

    train(
        "language (BLIP-2)",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )
