"""HeatViT's selectors, trained through the frozen tower, projector and decoder of a phantom."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.llava import Llava
from robust_atp.backbones.loading import find_source
from robust_atp.backbones.thinning import embed_pixels, inner_tower
from robust_atp.phantom.training.atp_llava import WORLDS
from robust_atp.phantom.training.language import answers, read
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.training.soft_thinning import SoftlyThinned, hide, thin_softly
from robust_atp.pruning.latency import LatencyTable
from robust_atp.pruning.token_selector import build_selectors
from robust_atp.pruning.tower import InsideTower
from robust_atp.pruning.trained import OwnWeights

SCENES = 1200
SCENES_SEED = 60
MEASURED_SCENES = 100


@dataclass(frozen=True)
class Losses:
    """The terms of HeatViT's loss."""

    answers: Tensor
    shares: Tensor
    latency: Tensor
    features: Tensor

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
    # Without the gradient: else the selectors learn to keep patches that nothing happens to.
    left = seen.left[-1].detach()
    off = (seen.tokens[:, :-1] - teacher).square().sum(-1)
    return Losses(
        F.cross_entropy(logits.float().flatten(0, -2), target.flatten()),
        (shares - wanted).square().mean(),
        (table(shares) / limit - 1).clamp(min=0).square(),
        (left * off).sum() / (left * teacher.square().sum(-1)).sum(),
    )


class Course:
    """What selectors drop of a batch of scenes, what a frozen backbone then answers, and how good that is."""

    def __init__(self, backbone: Llava, seed: int, limit: float = 0.3) -> None:
        """Make untrained selectors; ``limit`` is the latency they may leave, as a share of the unpruned model's."""
        shape = backbone._tower_shape
        depths = InsideTower(()).depths(shape)
        self.llava = backbone.model.requires_grad_(False)
        self.layers = inner_tower(self.llava.model.vision_tower).encoder.layers
        self.first, self.depth = depths[0], shape.layers
        torch.manual_seed(seed)
        self.selectors = build_selectors(shape, depths)
        self.limit = limit
        self.table = LatencyTable.counted(shape, backbone.shape, sorted(set(depths)))

    @torch.no_grad()
    def see(self, clip: CLIPModel, pixels: Tensor) -> Tensor:
        """Hidden states at the first cut, bfloat16 [B, 1 + N, D]; ``clip`` holds the backbone's tower, too."""
        return self._pass(embed_pixels(clip.vision_model, pixels), 0, self.first).bfloat16()

    @torch.no_grad()
    def shares(self, hidden: Tensor) -> list[float]:
        """Shares of patches left after each cut where every patch stays that is likelier to be kept than not."""
        seen = thin_softly(self.layers, hidden, self.selectors, self.depth, None)
        return seen.left.mean((1, 2)).tolist()

    def losses(
        self, hidden: Tensor, tokens: Tensor, length: Tensor, generator: torch.Generator
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
        return losses(logits, target, seen, teacher, self.table, self.limit), logits[:, :, 0]

    def _pass(self, hidden: Tensor, start: int, end: int) -> Tensor:
        for layer in self.layers[start:end]:
            hidden = layer(hidden, None)
        return hidden


def positions(seen: SoftlyThinned, *, compacted: bool) -> tuple[Tensor, Tensor]:
    """Position ids in the image of patches and package [B, N + 1], and of the text's first token [B]."""
    stays = (seen.left[-1] > 0.5).long()  # [B, N]
    if not compacted:
        grid = torch.arange(stays.shape[1], device=stays.device).expand_as(stays)
        return torch.cat([grid, seen.made_at[:, None]], 1), stays.new_full((len(stays),), stays.shape[1])
    kept = stays.sum(1)
    # A hidden patch's own position is nobody's concern.
    return torch.cat([(stays.cumsum(1) - 1).clamp(min=0), kept[:, None]], 1), kept + 1


def train_heatvit(name: str, checkpoint: Path, *, steps: int = 300, seed: int = 0) -> OwnWeights:
    """Train, or go on training, selectors for the shipped backbone ``name``.

    The paper fine-tunes the vision transformer along. Here it stays frozen because the arms of a study have to share
    one model.
    """
    backbone = load_backbone(BackboneSpec(name))
    assert isinstance(backbone, Llava)
    course = Course(backbone, seed)
    clip = CLIPModel.from_pretrained(f"{find_source(name)}/clip", dtype=torch.float32).eval()
    if not finished(checkpoint, {"selectors": course.selectors}, steps):
        lessons = Lessons.prepare(clip, WORLDS[name], SCENES, SCENES_SEED, course.see)
        accelerate(course.llava, course.llava.model.language_model)
        fit(course, lessons, checkpoint, steps=steps, seed=seed)
    unseen = Lessons.prepare(clip, "neutral", MEASURED_SCENES, SCENES_SEED + 1, course.see)
    facts = {
        "world": WORLDS[name],
        "steps": steps,
        "seed": seed,
        "latency_limit": course.limit,
        "wanted_shares": course.table.largest_shares(course.limit),
        "shares_after_cuts": course.shares(unseen.features.float()),
    }
    return OwnWeights("heatvit", name, backbone.revision, course.selectors.state_dict(), facts)


def fit(
    course: Course,
    lessons: Lessons,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
    batch: int = 24,
    blocks: int = 6,
    learning_rate: float = 4e-3,
) -> None:
    """Train a course's selectors in place, on ``blocks`` questions about each of ``batch`` scenes a step."""
    generator = torch.Generator().manual_seed(seed)

    def step(number: int) -> tuple[Tensor, float]:
        rows = torch.randint(len(lessons.features), (batch,), generator=generator)
        asked = torch.rand(batch, lessons.tokens.shape[1], generator=generator).topk(blocks).indices  # [B, Q]
        tokens = lessons.tokens[rows].gather(1, asked[..., None].expand(-1, -1, QUESTION_LENGTH))
        length = lessons.length[rows].gather(1, asked)
        terms, logits = course.losses(lessons.features[rows].float(), tokens, length, generator)
        right = (logits.argmax(-1) == answers(tokens, length)[..., 0]).float().mean().item()
        return terms.total, right

    train(
        "heatvit",
        {"selectors": course.selectors},
        step,
        steps=steps,
        learning_rate=learning_rate,
        generator=generator,
        checkpoint=checkpoint,
        every=50,
    )
