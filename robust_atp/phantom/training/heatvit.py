"""HeatViT's selectors, trained through the frozen tower, projector and decoder of a phantom.

Dropping is soft in training: every token stays in its place, and those that are dropped are hidden from the others by
attention. The gradient then also says what a token would have been worth that was dropped.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from robust_atp.backbones.llava import Llava
from robust_atp.backbones.thinning import embed_pixels, inner_tower
from robust_atp.phantom.training.language import BLOCKS, answers, read
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.pruning.latency import LatencyTable

log = logging.getLogger(__name__)

# What a hidden token still weighs in attention, for its logarithm to be finite. 196 of them weigh 2e-4 together.
_HIDDEN = 1e-6


@dataclass(frozen=True)
class SoftlyThinned:
    """B images after the tower, nothing dropped: N patches and the package."""

    tokens: Tensor  # [B, N + 1, D]
    left: Tensor  # [S, B, N] in {0, 1} after each cut, with a gradient
    made_at: Tensor  # [B], the patch that weighs most in the package


def thin_softly(
    layers: Sequence[nn.Module],
    hidden: Tensor,
    selectors: nn.ModuleDict,
    depth: int,
    generator: torch.Generator,
) -> SoftlyThinned:
    """Send images through layers of a CLIP tower, from the first cut on, until ``depth`` layers are passed.

    ``hidden`` is [B, 1 + N, D] at the first cut; the keys of ``selectors`` are the layers passed at each cut.
    """
    batch, length, _ = hidden.shape
    left = hidden.new_ones(batch, length - 1)
    stages: list[Tensor] = []
    packed = hidden.new_zeros(batch, length - 1)  # weight of each patch in the package
    package = torch.zeros_like(hidden[:, :1])
    first = min(int(passed) for passed in selectors)
    for passed in range(first, depth + 1):
        if passed > first:
            tokens = torch.cat([hidden, package], 1)
            seen = torch.cat([torch.ones_like(left[:, :1]), left, torch.ones_like(left[:, :1])], 1)
            tokens = layers[passed - 1](tokens, hide(seen)[:, None, None])
            hidden, package = tokens[:, :-1], tokens[:, -1:]
        if str(passed) in selectors:
            keep = selectors[str(passed)](hidden[:, 1:], left)  # [B, N]
            stays = left * straight_through(keep, generator)
            going = (left - stays) * keep
            before, weight = packed.sum(1), going.sum(1)
            mixture = (going[..., None] * hidden[:, 1:]).sum(1, keepdim=True)
            package = (before[:, None, None] * package + mixture) / (before + weight + 1e-9)[:, None, None]
            packed, left = packed + going, stays
            stages.append(left)
    return SoftlyThinned(torch.cat([hidden[:, 1:], package], 1), torch.stack(stages), packed.argmax(1))


def straight_through(keep: Tensor, generator: torch.Generator) -> Tensor:
    """Sample 0 or 1 with probability ``keep``, with the gradient of the sigmoid that was rounded.

    The difference of two Gumbel variables is logistic, so this is the hard Gumbel softmax over (keep, drop) at
    temperature 1.
    """
    uniform = torch.rand(keep.shape, generator=generator).clamp(1e-6, 1 - 1e-6).to(keep.device)
    soft = (keep.logit(1e-6) + uniform.logit()).sigmoid()
    return soft + ((soft > 0.5).float() - soft).detach()


def hide(left: Tensor) -> Tensor:
    """Bias that multiplies a token's share of attention by ``left`` in {0, 1} before it is normalised.

    ``exp(a + log m) = m · exp(a)``: DynamicViT's masked softmax, gradient included, for any attention.
    """
    return (left + _HIDDEN).log()


@dataclass(frozen=True)
class Losses:
    """The terms of HeatViT's loss."""

    answers: Tensor
    shares: Tensor
    latency: Tensor
    features: Tensor
    reached: Tensor  # [S], shares of patches left after each cut, no loss

    @property
    def total(self) -> Tensor:
        """Weighted sum; the weights are SPViT's, HeatViT's sister, whose code is public."""
        return self.answers + 2 * self.shares + self.latency + 0.5 * self.features


def losses(
    logits: Tensor, target: Tensor, seen: SoftlyThinned, teacher: Tensor, table: LatencyTable, limit: float
) -> Losses:
    """Compare answers, shares of patches, latency and what the kept patches became with what they should be.

    - answers: cross-entropy of ``logits`` [..., V] and ``target`` [...];
    - shares: ``mean_i (share_i - ρ_i)²``, ρ the largest shares whose latency is within the limit;
    - latency: ``max(0, latency / limit - 1)²``;
    - features: ``Σ left · ‖x - x_teacher‖² / Σ left · ‖x_teacher‖²`` over patches, teacher [B, N, D].

    ``latency`` is a share of the unpruned model's. How the paper writes its latency term is not public: the hinge is
    ours.
    """
    shares = seen.left.mean((1, 2))  # [S]
    wanted = torch.tensor(table.largest_shares(limit), device=shares.device)
    left = seen.left[-1]
    off = (seen.tokens[:, :-1] - teacher).square().sum(-1)
    return Losses(
        F.cross_entropy(logits.float().flatten(0, -2), target.flatten()),
        (shares - wanted).square().mean(),
        (table(shares) / limit - 1).clamp(min=0).square(),
        (left * off).sum() / (left * teacher.square().sum(-1)).sum(),
        shares.detach(),
    )


class Course:
    """Steps of training: what the selectors drop of a batch of scenes, and what the backbone then makes of it."""

    def __init__(self, llava: LlavaForConditionalGeneration, selectors: nn.ModuleDict, table: LatencyTable) -> None:
        """``llava`` is frozen here. The keys of ``selectors`` are the layers passed at each cut."""
        self.llava = llava.requires_grad_(False)
        self.selectors = selectors
        self.table = table
        self.layers = inner_tower(llava.model.vision_tower).encoder.layers
        self.first = min(int(passed) for passed in selectors)
        self.depth = llava.config.vision_feature_layer % (len(self.layers) + 1)

    @torch.no_grad()
    def see(self, pixels: Tensor) -> Tensor:
        """Hidden states at the first cut, bfloat16 [B, 1 + N, D]."""
        hidden = embed_pixels(self.llava.model.vision_tower, pixels.to(self.llava.device))
        return self._pass(hidden, 0, self.first).bfloat16().cpu()

    def losses(
        self, hidden: Tensor, tokens: Tensor, length: Tensor, generator: torch.Generator, limit: float
    ) -> tuple[Losses, Tensor]:
        """Terms of the loss, and the logits at the answers [B, Q, V].

        hidden [B, 1 + N, D] at the first cut, tokens [B, Q, QUESTION_LENGTH], length [B, Q].
        """
        with torch.no_grad():
            teacher = self._pass(hidden, self.first, self.depth)[:, 1:]
        seen = thin_softly(self.layers, hidden, self.selectors, self.depth, generator)
        compacted = bool(torch.randint(2, (1,), generator=generator))
        seen_at, asked_from = positions(seen, compacted=compacted)
        bias = F.pad(hide(seen.left[-1]), (0, 1))  # nothing hides the package
        with torch.autocast(hidden.device.type, torch.bfloat16):
            image = self.llava.model.multi_modal_projector(seen.tokens)
            logits, _ = read(self.llava, image, seen_at, asked_from, tokens, length, bias)
        target = answers(tokens, length)
        return losses(logits, target, seen, teacher, self.table, limit), logits[:, :, 0]

    def _pass(self, hidden: Tensor, start: int, end: int) -> Tensor:
        for layer in self.layers[start:end]:
            hidden = layer(hidden, None)
        return hidden


def positions(seen: SoftlyThinned, *, compacted: bool) -> tuple[Tensor, Tensor]:
    """Position ids in the image of patches and package [B, N + 1], and of the text's first token [B]."""
    stays = seen.left[-1].detach().long()  # [B, N]
    if not compacted:
        grid = torch.arange(stays.shape[1], device=stays.device).expand_as(stays)
        return torch.cat([grid, seen.made_at[:, None]], 1), stays.new_full((len(stays),), stays.shape[1])
    kept = stays.sum(1)
    # A hidden patch's own position is nobody's concern.
    return torch.cat([(stays.cumsum(1) - 1).clamp(min=0), kept[:, None]], 1), kept + 1


def train_selectors(
    backbone: Llava,
    selectors: nn.ModuleDict,
    table: LatencyTable,
    world: str,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
    limit: float,
    scenes: int = 2500,
    batch: int = 32,
) -> None:
    """Train selectors on a world through a frozen phantom; resumes from ``checkpoint``.

    The backbone is compiled for training, and of no other use afterwards.
    """
    if finished(checkpoint, {"selectors": selectors}, steps):
        return
    generator = torch.Generator().manual_seed(seed)
    course = Course(backbone.model, selectors, table)
    lessons = Lessons.prepare(course.see, world, scenes, seed)
    accelerate(course.llava, course.llava.model.language_model)
    device = course.llava.device

    def step(number: int) -> tuple[Tensor, float]:
        rows = torch.randint(scenes, (batch,), generator=generator)
        asked = torch.rand(batch, lessons.tokens.shape[1], generator=generator).topk(BLOCKS).indices  # [B, Q]
        tokens = lessons.tokens[rows].gather(1, asked[..., None].expand(-1, -1, QUESTION_LENGTH)).to(device)
        length = lessons.length[rows].gather(1, asked).to(device)
        hidden = lessons.features[rows].float().to(device)
        terms, logits = course.losses(hidden, tokens, length, generator, limit)
        if number % 50 == 0:
            log.info("step %d: %s", number, terms)
        right = (logits.argmax(-1) == answers(tokens, length)[..., 0]).float().mean().item()
        return terms.total, right

    train(
        f"selectors ({world})",
        {"selectors": selectors},
        step,
        steps=steps,
        learning_rate=2e-3,
        generator=generator,
        checkpoint=checkpoint,
        every=50,
    )
