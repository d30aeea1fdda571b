"""What a trained phantom can do, measured on held-out scenes through the same code that answers in a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from corruptions import corrupt, names
from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.seam import Backbone, VisionTokens
from robust_atp.phantom.questions import KINDS
from robust_atp.phantom.split import HeldOutScene, held_out
from robust_atp.phantom.training.vision import coverage
from robust_atp.phantom.world import stream
from robust_atp.pruning.keeping import keep_indices

SHARES = (0.05, 0.1, 0.15, 0.2, 0.25)  # budgets at which the oracle is set against random
BATCH = 20  # scenes

Choice = Callable[[HeldOutScene, int], Tensor]  # scene, tokens in all -> kept indices, ascending


@dataclass(frozen=True)
class Scores:
    """One right-or-wrong entry per question."""

    right: np.ndarray  # [Q] in {0, 1}
    kind: np.ndarray  # [Q]
    alignment: np.ndarray  # [Q]: aligned, conflict or ""

    @property
    def accuracy(self) -> float:
        """Share of right answers, in percent."""
        return 100 * float(self.right.mean())

    def of(self, kind: str) -> float:
        """Accuracy on one kind of question, in percent."""
        return 100 * float(self.right[self.kind == kind].mean())

    @property
    def gap(self) -> float:
        """Accuracy where the background suggests the answer minus where it suggests another, in points."""
        aligned, conflict = (self.right[self.alignment == which].mean() for which in ("aligned", "conflict"))
        return 100 * float(aligned - conflict)


def score(
    backbone: Backbone,
    scenes: Sequence[HeldOutScene],
    choose: Choice | None = None,
    change: Callable[[np.ndarray, HeldOutScene], np.ndarray] = lambda image, _: image,
) -> Scores:
    """Ask every scene's questions, seeing only the tokens that ``choose`` keeps of the ``change``d image."""
    right, questions = [], []
    for start in range(0, len(scenes), BATCH):
        batch = scenes[start : start + BATCH]
        tokens = backbone.encode([change(scene.image, scene) for scene in batch], frozenset())
        kept = _kept(tokens, batch, choose)
        asked = [(row, question) for row, scene in enumerate(batch) for question in scene.questions]
        answers = backbone.answer(
            keep_indices(tokens, [kept[row] for row, _ in asked], "compacted", [row for row, _ in asked]),
            [question.text for _, question in asked],
        )
        right += [
            answer.text == question.answer for answer, (_, question) in zip(answers, asked, strict=True)
        ]
        questions += [question for _, question in asked]
    return Scores(
        np.array(right, dtype=float),
        np.array([question.kind for question in questions]),
        np.array([question.alignment for question in questions]),
    )


def _kept(
    tokens: Sequence[VisionTokens], scenes: Sequence[HeldOutScene], choose: Choice | None
) -> list[Tensor]:
    totals = [len(image.features) for image in tokens]
    if choose is None:
        return [torch.arange(total) for total in totals]
    return [choose(scene, total) for scene, total in zip(scenes, totals, strict=True)]


def random_tokens(share: float) -> Choice:
    """Keep any tokens."""
    return lambda scene, total: _first(stream("random tokens", scene.index).random_sample(total), share)


def objects_first(share: float) -> Choice:
    """The oracle: keep the patches that objects cover most, then any others."""

    def choose(scene: HeldOutScene, total: int) -> Tensor:
        chance = stream("oracle tokens", scene.index).random_sample(total)
        return _first(np.where(covered := coverage(scene.masks).max(0), 1 + covered, chance), share)

    return choose


def _first(scores: np.ndarray, share: float) -> Tensor:
    kept = np.argsort(-scores, kind="stable")[: max(1, round(share * len(scores)))]
    return torch.from_numpy(np.sort(kept))


def report(folder: Path, scenes: int = 300, corrupted_scenes: int = 100) -> str:
    """Measure a checkpoint folder and return the table as Markdown."""
    backbone = load_backbone(BackboneSpec(id=str(folder)))
    images = held_out("test", scenes)
    clean = score(backbone, images)
    lines = [
        f"### {folder.name} ({len(clean.right)} questions about {scenes} held-out scenes)",
        "",
        "| measure | value |",
        "|---|---|",
        f"| accuracy | {clean.accuracy:.1f} % |",
        *(f"| — {kind} | {clean.of(kind):.1f} % |" for kind in KINDS),
        f"| aligned minus conflict | {clean.gap:+.1f} points |",
        *_oracle_rows(backbone, images, clean.accuracy),
        *_corruption_rows(backbone, images[:corrupted_scenes]),
    ]
    return "\n".join(lines) + "\n"


def _oracle_rows(backbone: Backbone, images: Sequence[HeldOutScene], unpruned: float) -> list[str]:
    rows = []
    for share in SHARES:
        oracle = score(backbone, images, objects_first(share)).accuracy
        random = score(backbone, images, random_tokens(share)).accuracy
        rows.append(
            f"| objects first, keep {share:.0%} | {oracle:.1f} % (random {random:.1f} %: "
            f"{oracle - random:+.1f}; unpruned: {oracle - unpruned:+.1f}) |"
        )
    return rows


def _corruption_rows(backbone: Backbone, images: Sequence[HeldOutScene]) -> list[str]:
    unspoiled = score(backbone, images).accuracy
    drops = {}
    for name in names("all"):

        def spoil(image: np.ndarray, scene: HeldOutScene, name: str = name) -> np.ndarray:
            return corrupt(image, name, severity=5, key=str(scene.index))

        drops[name] = unspoiled - score(backbone, images, change=spoil).accuracy
    costly = sum(drop >= 10 for drop in drops.values())
    listed = ", ".join(
        f"{name} {drop:.0f}" for name, drop in sorted(drops.items(), key=lambda item: -item[1])
    )
    return [
        f"| types that cost ≥ 10 points at severity 5 | {costly} of {len(drops)} ({listed}; {len(images)} scenes) |"
    ]
