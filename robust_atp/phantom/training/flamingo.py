"""Flamingo on the frozen features of CLIP's vision tower.

The resampler's latents tell the shapes of the objects that it is shown by chance (one in six) after 50 steps, two
thirds of them after 250, 95 % after 500 (running means, measured).
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPModel, IdeficsForVisionText2Text

from robust_atp.phantom.flamingo import PROMPT, SIDE, build_flamingo, build_processor
from robust_atp.phantom.model import LAYERS
from robust_atp.phantom.training.blocks import at_answer, block_mask, take, words
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate
from robust_atp.phantom.training.two_stages import Learner, train_two_stages

SCENES = 12000
RESAMPLER_STEPS = 500


def train_flamingo(
    clip: CLIPModel, world: str, work: Path, *, steps: int, seed: int
) -> IdeficsForVisionText2Text:
    """Train a Flamingo on top of CLIP's vision tower; resumes from the checkpoints in ``work``."""
    flamingo = build_flamingo(clip).to(clip.device)  # type: ignore[arg-type]  # their decorator hides the signature
    model = flamingo.model
    for core in (model.perceiver_resampler, model):
        accelerate(flamingo, core)
    learner = Learner(
        "Flamingo",
        flamingo.device,
        SIDE,
        {"resampler": model.perceiver_resampler},
        {
            "embeddings": model.embed_tokens,
            "layers": model.layers,
            "cross": model.gated_cross_attn_layers,
            "norm": model.norm,
            "head": flamingo.lm_head,
        },
        lambda features, kept: resample(flamingo, features, kept),
        lambda latents, tokens, length: forward(flamingo, latents, tokens, length),
    )
    train_two_stages(
        learner,
        lambda: Lessons.prepare(lambda pixels: look(flamingo, pixels), world, SCENES, seed),
        work,
        steps=(RESAMPLER_STEPS, steps),
        seed=seed,
    )
    return flamingo


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
