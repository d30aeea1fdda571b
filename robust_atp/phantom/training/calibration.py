"""How many tokens stay when all of ATP-LLaVA's thresholds are raised or lowered: measured, not computed."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.seam import Backbone
from robust_atp.phantom.split import HeldOutScene
from robust_atp.pruning.keeping import keep_indices
from robust_atp.pruning.learned_thresholds import ThresholdHead
from robust_atp.pruning.methods.atp_llava import LearnedThresholds, Shift

ROWS = 24

Shares = tuple[float, ...]  # of visual tokens, one for each cut


def calibrate(shares_at: Callable[[float], Shares]) -> Shift:
    """Follow mean shares from offset 1, where one token stays, down to -1, where all do.

    Each of ``ROWS`` measurements is made half-way between the two neighbours that are furthest apart in the square
    root of the overall share: small budgets are the interesting ones. Where shares do not rise from row to row
    (later cuts see other tokens when earlier ones let more pass), rows are left out.
    """
    measured = {offset: shares_at(offset) for offset in (1.0, 0.0, -1.0)}
    while len(measured) < ROWS:
        gaps = {
            (low + high) / 2: math.sqrt(sum(measured[low])) - math.sqrt(sum(measured[high]))
            for low, high in pairwise(sorted(measured))
        }
        middle = max(gaps, key=lambda offset: gaps[offset])
        measured[middle] = shares_at(middle)
    rows: list[float] = []
    for offset in sorted(measured, reverse=True):
        if not rows or _rises(measured[rows[-1]], measured[offset]):
            rows.append(offset)
    return Shift(tuple(rows), tuple(measured[offset] for offset in rows))


def measurement(
    backbone: Backbone, heads: Mapping[int, ThresholdHead], scenes: Sequence[HeldOutScene]
) -> Callable[[float], Shares]:
    """From what all thresholds are raised by to the shares left after each cut, mean over the scenes' questions."""
    tokens = backbone.encode([scene.image for scene in scenes], frozenset())
    asked = [(row, question.text) for row, scene in enumerate(scenes) for question in scene.questions]
    image_of, questions = [row for row, _ in asked], [text for _, text in asked]
    everything = [range(len(image.features)) for image in tokens]
    kept = keep_indices(tokens, [everything[row] for row in image_of], "original", image_of)

    def shares_at(offset: float) -> Shares:
        rule = LearnedThresholds(heads, Shift((offset,), ((0.5,) * len(heads),)))
        cuts = tuple((depth, 1) for depth in heads)
        way = Dropping(cuts, rule, "original", adaptive=True, grid=tokens[0].grid)
        answers = backbone.answer(kept, questions, [way] * len(questions))
        left = [
            [len(cut) / total for cut in answer.cuts]
            for answer, total in zip(answers, kept.totals, strict=True)
        ]
        return tuple(np.mean(left, axis=0).tolist())

    return shares_at


def _rises(before: Shares, after: Shares) -> bool:
    return sum(after) > sum(before) and all(a >= b for a, b in zip(after, before, strict=True))
