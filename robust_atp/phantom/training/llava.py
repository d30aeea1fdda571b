"""LLaVA's projector and language model on the frozen features of CLIP's vision tower."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, LlavaForConditionalGeneration

from robust_atp.phantom.llava import PROMPT, build_llava
from robust_atp.phantom.model import IMAGE, LAYERS, build_tokenizer
from robust_atp.phantom.training.blocks import (
    Batch,
    answer_loss,
    at_answer,
    block_mask,
    draw_keep,
    take,
    words,
)
from robust_atp.phantom.training.compass import Compass
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train


@torch.no_grad()
def look(clip: CLIPModel, pixels: Tensor) -> Tensor:
    """Patch features of the layer that LLaVA projects [B, N, D]."""
    with torch.autocast(clip.device.type, torch.bfloat16):
        seen = clip.vision_model(pixel_values=pixels.to(clip.device), output_hidden_states=True)
    return seen.hidden_states[-2][:, 1:]


def forward(
    llava: LlavaForConditionalGeneration,
    features: Tensor,
    kept: Tensor,
    tokens: Tensor,
    length: Tensor,
    *,
    compacted: bool,
) -> tuple[Tensor, Tensor]:
    """Logits at the last question token and at the answer, [B, Q, 2, V], and the words half-way up, [B, Q, T, D].

    features [B, N, D], kept [B, K], tokens [B, Q, QUESTION_LENGTH], length [B, Q].
    """
    batch, total, _ = features.shape
    seen_at = torch.arange(kept.shape[1], device=kept.device).expand(batch, -1) if compacted else kept
    asked_from = kept.new_full((batch,), kept.shape[1] if compacted else total)
    image = llava.model.multi_modal_projector(take(features, kept))
    return read(llava, image, seen_at, asked_from, tokens, length)


def read(
    llava: LlavaForConditionalGeneration,
    image: Tensor,
    seen_at: Tensor,
    asked_from: Tensor,
    tokens: Tensor,
    length: Tensor,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`forward` from the projected image [B, K, D] on, its tokens and the questions standing where they are told to.

    seen_at [B, K], asked_from [B]; a bias [B, K] is added to what attention pays to the image's tokens.
    """
    device = image.device
    batch, blocks, _ = tokens.shape
    embed = llava.get_input_embeddings()
    start = prefix_ids().to(device)
    text = embed(tokens.flatten(1))  # [B, Q * T, D]
    inputs = torch.cat([embed(start).expand(batch, -1, -1), image.to(text.dtype), text], 1)

    image_end = len(start) + image.shape[1]
    asked_at = asked_from[:, None] + torch.arange(QUESTION_LENGTH, device=device).repeat(blocks)
    head = torch.arange(-len(start), 0, device=device)
    position_ids = len(start) + torch.cat([head.expand(batch, -1), seen_at, asked_at], 1)
    mask = block_mask(image_end, blocks).to(inputs)  # [1, 1, L, L]
    if bias is not None:
        mask = mask + F.pad(bias.to(inputs), (len(start), inputs.shape[1] - image_end))[:, None, None]
    hidden = llava.model.language_model(
        inputs_embeds=inputs,
        attention_mask=mask,
        position_ids=position_ids,
        use_cache=False,
        output_hidden_states=True,
    )
    middle, last = (
        words(layer, blocks) for layer in (hidden.hidden_states[LAYERS // 2], hidden.last_hidden_state)
    )
    return llava.lm_head(at_answer(last, length)), middle


def prefix_ids() -> Tensor:
    """Token ids of the prompt before the image."""
    before, _, _ = PROMPT.partition(IMAGE)
    return torch.tensor(build_tokenizer()(before)["input_ids"])


def train_llava(
    clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int
) -> LlavaForConditionalGeneration:
    """Train projector and language model on a world; resumes from the checkpoint in ``work``."""
    llava = build_llava(clip).to(clip.device)  # type: ignore[arg-type]  # their decorator hides the signature
    device = llava.device
    compass = Compass().to(device)
    trained = {
        "compass": compass,
        "projector": llava.model.multi_modal_projector,
        "language": llava.model.language_model,
        "head": llava.lm_head,
    }
    checkpoint = work / "language.pt"
    if finished(checkpoint, trained, steps):
        return llava
    lessons = Lessons.prepare(lambda pixels: look(clip, pixels), world, 12000, seed)
    generator = torch.Generator().manual_seed(seed)
    accelerate(llava, llava.model.language_model)
    total = lessons.features.shape[1]

    def step(number: int) -> tuple[Tensor, float]:
        keep = draw_keep(number, total, generator)
        batch = Batch.draw(lessons, 64 if keep < 50 else 40, keep, generator)
        compacted = bool(torch.randint(2, (1,), generator=generator))
        features, kept, tokens, length = (
            part.to(device) for part in (lessons.features[batch.rows], batch.kept, batch.tokens, batch.length)
        )
        few = lessons.patches.of(batch.rows[:16], device)
        with torch.autocast(device.type, torch.bfloat16):
            logits, middle = forward(llava, features, kept, tokens, length, compacted=compacted)
            projected = llava.model.multi_modal_projector(features[:16][few.on_object])
            placed = compass.of_patches(projected, few.centre[few.on_object])
            named = compass.of_words(middle, tokens, length, lessons.shape_place[batch.rows].to(device))
        answered, right = answer_loss(logits, tokens, length)
        return answered + 3 * (placed + named), right

    train(
        "language (LLaVA)",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )
    return llava
