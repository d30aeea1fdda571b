"""Questions in blocks: twelve share one image, and each sees the image and itself, never another block.

So no answer leaks and the image is read once. Most steps show the model a thinned image (see `subset`), because a
language model that has never seen one is upset by *which* tokens are missing, and even an oracle then loses to random.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from robust_atp.phantom.model import EOS, SPECIAL
from robust_atp.phantom.training.lessons import MIX, QUESTION_LENGTH, Lessons

BLOCKS = 12  # questions per image and step
BUDGETS = (8, 12, 20, 30, 49, 98)  # tokens of a thinned image: 4 % to 50 %


@dataclass(frozen=True)
class Batch:
    """B scenes with what is kept of each and Q questions about it."""

    rows: Tensor  # [B] numbers of the scenes
    kept: Tensor  # [B, K] ascending patches
    tokens: Tensor  # [B, Q, QUESTION_LENGTH]
    length: Tensor  # [B, Q]

    @staticmethod
    def draw(lessons: Lessons, size: int, keep: int, generator: torch.Generator) -> "Batch":
        """Draw ``size`` scenes, their questions and ``keep`` patches of each."""
        rows = torch.randint(len(lessons.scenes), (size,), generator=generator)
        asked = torch.rand(size, sum(MIX.values()), generator=generator).topk(BLOCKS).indices  # [B, Q]
        tokens = lessons.tokens[rows].gather(1, asked[..., None].expand(-1, -1, QUESTION_LENGTH))
        length = lessons.length[rows].gather(1, asked)
        kept = subset(lessons.patches.on_object[rows], keep, generator)
        return Batch(rows, kept, tokens, length)


def draw_keep(number: int, total: int, generator: torch.Generator) -> int:
    """Patches kept at step ``number``: all ``total`` of them every fourth time, else a budget."""
    return total if number % 4 == 0 else BUDGETS[int(torch.randint(len(BUDGETS), (1,), generator=generator))]


def subset(on_object: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """Kept tokens per image, [B, keep], ascending: for half of the images any, for the others objects first."""
    chance = torch.rand(on_object.shape, generator=generator)
    objects_first = torch.rand(len(on_object), 1, generator=generator) < 0.5
    return (chance + (on_object & objects_first)).topk(keep).indices.sort().values


def take(features: Tensor, kept: Tensor) -> Tensor:
    """Features [B, N, D] of the kept tokens [B, K]: [B, K, D]."""
    return features.gather(1, kept[..., None].expand(-1, -1, features.shape[-1]))


def block_mask(image_end: int, blocks: int) -> Tensor:
    """Additive attention mask [1, 1, L, L]: causal, and no block of a question sees another block."""
    length = image_end + blocks * QUESTION_LENGTH
    position = torch.arange(length)
    block = ((position - image_end).div(QUESTION_LENGTH, rounding_mode="floor")).clamp(min=-1)
    seen = (position[None] <= position[:, None]) & ((block[None] == -1) | (block[None] == block[:, None]))
    return torch.where(seen, 0.0, torch.finfo(torch.bfloat16).min)[None, None]


def words(hidden: Tensor, blocks: int) -> Tensor:
    """Hidden states of the questions' tokens, the last of a row: [B, L, D] -> [B, Q, T, D]."""
    return hidden[:, -blocks * QUESTION_LENGTH :].unflatten(1, (blocks, QUESTION_LENGTH))


def at_answer(hidden: Tensor, length: Tensor) -> Tensor:
    """What predicts the answer and the end token: [B, Q, T, D] and lengths [B, Q] -> [B, Q, 2, D]."""
    where = torch.stack([length - 1, length], -1)[..., None]
    return hidden.gather(2, where.expand(-1, -1, -1, hidden.shape[-1]))


def answers(tokens: Tensor, length: Tensor) -> Tensor:
    """What logits should predict: the answer and the end token, [B, Q, 2]."""
    answer = tokens.gather(2, length[..., None])
    return torch.cat([answer, torch.full_like(answer, SPECIAL.index(EOS))], 2)


def answer_loss(logits: Tensor, tokens: Tensor, length: Tensor) -> tuple[Tensor, float]:
    """Loss of logits [B, Q, 2, V] at the answer and the end token, and the share of right answers."""
    target = answers(tokens, length).to(logits.device)
    right = (logits[:, :, 0].argmax(-1) == target[..., 0]).float().mean().item()
    return F.cross_entropy(logits.float().flatten(0, 2), target.flatten()), right
