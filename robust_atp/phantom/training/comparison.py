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
# Against whom a trained pruner stands, at which shares of visual tokens, averaged over the decoder's layers.
RIVALS = {
    "atp-llava": (("random", "fastv", "pyramiddrop"), (0.5, 0.35, 0.28)),
    "heatvit": (("random", "fastervlm", "heatvit-free"), (0.5, 0.25, 0.1, 0.05, 0.03)),
}


def compare(method: str, name: str, weights: Path, scenes: int) -> str:
    """Accuracy at equal budgets as a Markdown table: the method with these weights, its rivals, no pruning."""
    backbone = load_backbone(BackboneSpec(name))
    images = held_out("test", scenes)
    rivals, shares = RIVALS[method]
    arms = [(method, {"weights": str(weights)}), *((rival, {}) for rival in rivals)]
    unpruned, _, questions = measure(backbone, build_pruner("none"), 1.0, images)
    lines = [
        f"### {method} on {name} ({questions} questions about {scenes} held-out scenes)",
        "",
        f"| tokens asked, mean over layers | {' | '.join(arm for arm, _ in arms)} |",
        f"|---|{'---|' * len(arms)}",
        f"| 100 % | {' | '.join([f'{unpruned:.1f} %'] * len(arms))} |",
    ]
    for share in shares:
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
        images = [scene.image for scene in some]
        tokens = backbone.encode(images, method.needs)
        total = tokens[0].total
        keep = nominal_keep(method, share, "mean_tokens", total, backbone.shape)
        thinning = method.thinning(keep, total, backbone)
        if thinning is not None:
            tokens = backbone.encode(images, frozenset(), thinning)
        text = backbone.embed_questions(questions) if method.needs_text else None
        keys = [str(some[row].index) for row in image_of]
        kept = method.prune(tokens, image_of, text, keep, 0, keys)
        ways = method.droppings(tokens, image_of, keep, backbone.shape.layers)
        found = backbone.answer(kept, questions, ways)
        right += [answer.text == question.answer for answer, (_, question) in zip(found, asked, strict=True)]
        spent += [
            np.mean(answer.tokens_per_layer or len(features)) / total
            for answer, features in zip(found, kept.features, strict=True)
        ]
    return 100 * float(np.mean(right)), float(np.mean(spent)), len(right)
