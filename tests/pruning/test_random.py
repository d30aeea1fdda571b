"""Random pruning: keyed, uniform, nested."""

import numpy as np
import torch

from robust_atp.backbones.seam import VisionTokens
from robust_atp.pruning import build_pruner
from robust_atp.pruning.scores import Random, Sample

TOKENS = [VisionTokens(torch.zeros(196, 1), (14, 14))]


def draw(key, keep=0.1, seed=0):
    return build_pruner("random").prune(TOKENS, [0], None, keep, seed, [key]).indices[0].tolist()


def test_the_stream_is_frozen():
    """A different NumPy, platform or refactoring must not redraw finished studies."""
    assert draw("a", keep=0.03) == [5, 28, 50, 78, 154, 176]


def test_key_and_seed_decide():
    assert draw("a") == draw("a")
    assert draw("a") != draw("b")
    assert draw("a", seed=1) != draw("a", seed=0)
    # "1" + "2a" and "12" + "a" are different pairs
    assert draw("2a", seed=1) != draw("a", seed=12)


def test_a_larger_budget_adds_tokens_and_drops_none():
    small, large = set(draw("a", keep=0.1)), set(draw("a", keep=0.5))
    assert small < large


def test_every_token_is_kept_equally_often():
    counts = np.zeros(196)
    for number in range(2000):
        counts[draw(str(number))] += 1
    share = counts / 2000  # expected 20 / 196 = 0.102, standard error 0.0068
    assert abs(share - 20 / 196).max() < 5 * 0.0068


def test_keys_decide_what_questions_share():
    kept = build_pruner("random").prune(TOKENS, [0, 0, 0], None, 0.1, 0, ["q1", "q2", "q1"])
    assert kept.features[0] is kept.features[2]
    assert kept.indices[0].tolist() != kept.indices[1].tolist()


def test_scores_are_distinct_enough_to_need_no_tie_break():
    scores = Random()(Sample((24, 24), {}, key="k"))
    assert len(scores.unique()) == 576
    assert scores.min() >= 0
    assert scores.max() < 1
