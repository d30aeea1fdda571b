"""What a trained pruner is worth beside others that spend as many tokens, on held-out scenes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.seam import Backbone
from robust_atp.phantom.split import HeldOutScene, held_out
from robust_atp.pruning import Method, build_pruner
from robust_atp.pruning.matching import nominal_keep

BATCH = 20  # scenes
SHARES = (0.5, 0.35, 0.28)  # of visual tokens, averaged over the decoder's layers
RIVALS = ("random", "fastv", "pyramiddrop")


def compare(method: str, name: str, weights: Path, scenes: int) -> str:
    """Accuracy at equal budgets as a Markdown table: the method with these weights, its rivals, no pruning."""
    backbone = load_backbone(BackboneSpec(name))
    images = held_out("test", scenes)
    arms = [(method, {"weights": str(weights)}), *((rival, {}) for rival in RIVALS)]
    unpruned, _, questions = measure(backbone, build_pruner("none"), 1.0, images)
    lines = [
        f"### {method} on {name} ({questions} questions about {scenes} held-out scenes)",
        "",
        f"| tokens asked, mean over layers | {' | '.join(arm for arm, _ in arms)} |",
        f"|---|{'---|' * len(arms)}",
        f"| 100 % | {' | '.join([f'{unpruned:.1f} %'] * len(arms))} |",
    ]
    for share in SHARES:
        cells = []
        for arm, options in arms:
            accuracy, realised, _ = measure(backbone, build_pruner(arm, options).on(backbone), share, images)
            cells.append(f"{accuracy:.1f} % at {100 * realised:.1f} %")
        lines.append(f"| {100 * share:.0f} % | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measure(
    backbone: Backbone, method: Method, share: float, scenes: Sequence[HeldOutScene]
) -> tuple[float, float, int]:
    """Accuracy in percent, share of visual tokens averaged over layers as realised, and number of questions."""
    right, spent = [], []
    for start in range(0, len(scenes), BATCH):
        some = scenes[start : start + BATCH]
        asked = [(row, question) for row, scene in enumerate(some) for question in scene.questions]
        image_of = [row for row, _ in asked]
        questions = [question.text for _, question in asked]
        tokens = backbone.encode([scene.image for scene in some], method.needs)
        total = len(tokens[0].features)
        keep = nominal_keep(method, share, "mean_tokens", total, backbone.shape)
        text = backbone.embed_questions(questions) if method.needs_text else None
        keys = [str(some[row].index) for row in image_of]
        kept = method.prune(tokens, image_of, text, keep, 0, keys)
        ways = method.droppings(tokens, image_of, keep, backbone.shape.layers)
        found = backbone.answer(kept, questions, ways)
        right += [answer.text == question.answer for answer, (_, question) in zip(found, asked, strict=True)]
        spent += [
            np.mean(answer.tokens_per_layer or len(indices)) / total
            for answer, indices in zip(found, kept.indices, strict=True)
        ]
    return 100 * float(np.mean(right)), float(np.mean(spent)), len(right)
