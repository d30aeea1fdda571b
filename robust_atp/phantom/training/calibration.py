"""How many tokens stay when all thresholds of a trained method are raised or lowered: measured, not computed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.seam import Backbone
from robust_atp.phantom.split import HeldOutScene
from robust_atp.pruning.keeping import keep_indices
from robust_atp.pruning.learned_thresholds import ThresholdHead
from robust_atp.pruning.methods.atp_llava import LearnedThresholds, Shift

ROWS = 20


def calibrate(
    backbone: Backbone, heads: Mapping[int, ThresholdHead], scenes: Sequence[HeldOutScene]
) -> Shift:
    """Mean shares after each cut over the scenes' questions, from all thresholds out of reach to all passed.

    Offsets are placed where the shares change most: half-way between the two rows that are furthest apart, until
    there are ``ROWS``. Rows whose shares do not all rise over those of the row before are left out.
    """
    measured = {offset: mean_shares(backbone, heads, offset, scenes) for offset in (1.0, 0.0, -1.0)}
    while len(measured) < ROWS:
        offsets = sorted(measured)
        gaps = [np.abs(np.subtract(measured[low], measured[high])).sum() for low, high in pairwise(offsets)]
        widest = int(np.argmax(gaps))
        middle = (offsets[widest] + offsets[widest + 1]) / 2
        measured[middle] = mean_shares(backbone, heads, middle, scenes)
    rows: list[float] = []
    for offset in sorted(measured, reverse=True):
        if not rows or all(np.greater(measured[offset], measured[rows[-1]])):
            rows.append(offset)
    return Shift(tuple(rows), tuple(measured[offset] for offset in rows))


def mean_shares(
    backbone: Backbone, heads: Mapping[int, ThresholdHead], offset: float, scenes: Sequence[HeldOutScene]
) -> tuple[float, ...]:
    """Share of visual tokens left after each cut with all thresholds raised by ``offset``, mean over questions."""
    tokens = backbone.encode([scene.image for scene in scenes], frozenset())
    asked = [(row, question.text) for row, scene in enumerate(scenes) for question in scene.questions]
    image_of = [row for row, _ in asked]
    everything = [range(len(image.features)) for image in tokens]
    kept = keep_indices(tokens, [everything[row] for row in image_of], "original", image_of)
    rule = LearnedThresholds(heads, Shift((offset,), ((0.5,) * len(heads),)))
    cuts = tuple((depth, 1) for depth in heads)
    way = Dropping(cuts, rule, "original", adaptive=True, grid=tokens[0].grid)
    found = backbone.answer(kept, [text for _, text in asked], [way] * len(asked))
    left = [
        [len(cut) / total for cut in answer.cuts] for answer, total in zip(found, kept.totals, strict=True)
    ]
    return tuple(float(share) for share in np.mean(left, axis=0))
