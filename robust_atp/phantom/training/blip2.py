"""BLIP-2 on the frozen features of its own vision tower, which first learns to see as CLIP's does."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Blip2ForConditionalGeneration, CLIPModel

from robust_atp.phantom.blip2 import SIDE, build_blip2, copy_vision_tower
from robust_atp.phantom.model import BOS, LAYERS, SPECIAL
from robust_atp.phantom.training.blocks import at_answer, block_mask, words
from robust_atp.phantom.training.distillation import distil
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate
from robust_atp.phantom.training.two_stages import Learner, train_two_stages

SCENES = 8000  # 1400 steps show each of them eleven times, with other questions and other patches
DISTILLATION_STEPS = 300
QFORMER_STEPS = 400


def train_blip2(
    clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int
) -> Blip2ForConditionalGeneration:
    """Train a BLIP-2 whose vision tower sees what CLIP's sees; resumes from the checkpoints in ``work``."""
    blip2 = build_blip2().to(clip.device)  # type: ignore[arg-type]  # their decorator hides the signature
    copy_vision_tower(clip, blip2.vision_model)
    distil(clip, blip2.vision_model, work / "distillation.pt", steps=DISTILLATION_STEPS, seed=seed + 10)
    for core in (blip2.qformer, blip2.language_model.model.decoder):
        accelerate(blip2, core)
    learner = Learner(
        "BLIP-2",
        blip2.device,
        SIDE,
        {"qformer": blip2.qformer, "queries": nn.ParameterList([blip2.query_tokens])},
        {"projection": blip2.language_projection, "language": blip2.language_model},
        lambda features, kept: ask_queries(blip2, features, kept),
        lambda queried, tokens, length: forward(blip2, queried, tokens, length),
    )
    train_two_stages(
        learner,
        lambda: Lessons.prepare(lambda pixels: look(blip2, pixels), world, SCENES, seed),
        work,
        steps=(QFORMER_STEPS, steps),
        seed=seed + 1,
    )
    return blip2


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
