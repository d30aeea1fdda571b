"""Two stages, as BLIP-2 has them, for models with a resampler: the resampler alone, then with the language model.

What makes a tiny resampler converge is a dense task: latent number l reports which object, if any, has its centre in
cell l of a coarse grid, and linear readers must tell its shape, colour and place. It stays a task of the second stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from robust_atp.phantom.training.blocks import Batch, answer_loss, draw_keep, subset
from robust_atp.phantom.training.compass import Compass
from robust_atp.phantom.training.labels import seen_in_cells
from robust_atp.phantom.training.lessons import Lessons
from robust_atp.phantom.training.loop import finished, train
from robust_atp.phantom.training.place_reader import PlaceReader

SIZE = 64  # pictures per step
LEARNING_RATE = 2.5e-3


@dataclass(frozen=True)
class Learner:
    """What the two stages need to know of an architecture.

    ``resample`` maps features [B, 1 + N, D], the CLS token first, and kept patches [B, K] to latents
    [B, side², D]. ``answer`` maps latents, tokens [B, Q, T] and lengths [B, Q] to logits [B, Q, 2, V] at the last
    question token and at the answer, and to the words' hidden states half-way up [B, Q, T, D].
    """

    name: str
    device: torch.device
    side: int  # of the grid of cells that the latents report on
    resampler: dict[str, nn.Module]  # what both stages train
    language: dict[str, nn.Module]  # what the second stage trains too
    resample: Callable[[Tensor, Tensor], Tensor]
    answer: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def train_two_stages(
    learner: Learner, prepare: Callable[[], Lessons], work: Path, *, steps: tuple[int, int], seed: int
) -> None:
    """Train for so many ``steps`` in each stage; resumes from the checkpoints in ``work``.

    ``prepare`` makes the lessons, which is not called if there is nothing left to train.
    """
    reader, compass = PlaceReader().to(learner.device), Compass().to(learner.device)
    seeing = {"reader": reader, **learner.resampler}
    everything = {"compass": compass, **seeing, **learner.language}
    if finished(work / "language.pt", everything, steps[1]):
        return
    lessons = prepare()
    _train_resampler(learner, lessons, reader, seeing, work / "resampler.pt", steps=steps[0], seed=seed)
    _train_language(
        learner, lessons, reader, compass, everything, work / "language.pt", steps=steps[1], seed=seed + 1
    )


def _train_resampler(
    learner: Learner,
    lessons: Lessons,
    reader: PlaceReader,
    trained: dict[str, nn.Module],
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    if finished(checkpoint, trained, steps):
        return
    device = learner.device
    generator = torch.Generator().manual_seed(seed)
    patches = lessons.features.shape[1] - 1

    def step(number: int) -> tuple[Tensor, float]:
        keep = draw_keep(number, patches, generator)
        rows = torch.randint(len(lessons.scenes), (SIZE,), generator=generator)
        kept = subset(lessons.patches.on_object[rows], keep, generator).to(device)
        shown = lessons.patches.of(rows, device)
        with torch.autocast(device.type, torch.bfloat16):
            latents = learner.resample(lessons.features[rows].to(device), kept)
            loss, accuracy = reader(latents, seen_in_cells(shown, kept, learner.side))
        return loss, accuracy.item()

    train(
        f"resampler ({learner.name})",
        trained,
        step,
        steps=steps,
        learning_rate=LEARNING_RATE,
        generator=generator,
        checkpoint=checkpoint,
    )


def _train_language(
    learner: Learner,
    lessons: Lessons,
    reader: PlaceReader,
    compass: Compass,
    trained: dict[str, nn.Module],
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    device = learner.device
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
            latents = learner.resample(features, kept)
            logits, middle = learner.answer(latents, tokens, length)
            reported, _ = reader(latents, seen_in_cells(shown, kept, learner.side))
            named = compass.of_words(middle, tokens, length, place)
        answered, right = answer_loss(logits, tokens, length)
        return answered + 3 * named + 0.3 * reported, right

    train(
        f"language ({learner.name})",
        trained,
        step,
        steps=steps,
        learning_rate=LEARNING_RATE,
        generator=generator,
        checkpoint=checkpoint,
    )
