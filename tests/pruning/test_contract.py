"""What every registered pruner must keep to, on a real backbone. A new pruner is picked up by itself."""

import math

import pytest
import torch
from made_up import made_up
from tiny_llava import QUESTIONS, photos

from robust_atp.backbones.seam import VisionTokens
from robust_atp.pruning import PRUNERS, build_pruner, keep_indices
from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.selection import top_k

PRUNED = [name for name in PRUNERS.names() if name != "none" and build_pruner(name).inside is None]
FIXED = [name for name in PRUNED if isinstance(build_pruner(name).budget, FixedRatio)]
IMAGE_OF = [image for image in range(5) for _ in QUESTIONS]
ASKED = QUESTIONS * 5
KEYS = [f"image {image}" for image in IMAGE_OF]


@pytest.fixture(scope="module")
def tokens(tiny_backbone):
    return tiny_backbone.encode(photos(5), tiny_backbone.provides)


@pytest.fixture(scope="module")
def text(tiny_backbone):
    return tiny_backbone.embed_questions(ASKED)


def indices(kept):
    return [chosen.tolist() for chosen in kept.indices]


@pytest.fixture(params=PRUNERS.names())
def method(request, tiny_backbone):
    method = build_pruner(request.param)
    method.check(tiny_backbone)
    return method


def test_it_describes_itself(method, request):
    assert method.name == request.node.callspec.params["method"]
    assert method.summary
    assert method.placement
    assert "\n" not in method.summary


def test_keeping_all_is_the_unpruned_model(method, tiny_backbone, tokens, text):
    kept = method.prune(tokens, IMAGE_OF, text, 1.0, 0, KEYS)
    full = keep_indices(tokens, [range(16)] * len(ASKED), "original", IMAGE_OF)
    assert indices(kept) == indices(full)
    expected = [answer.token_ids for answer in tiny_backbone.answer(full, ASKED)]
    assert [answer.token_ids for answer in tiny_backbone.answer(kept, ASKED)] == expected


@pytest.mark.parametrize("name", PRUNED)
@pytest.mark.parametrize("keep", [0.01, 1 / 16, 0.3, 15 / 16])
def test_kept_tokens_are_ascending_and_as_many_as_asked(name, keep, tokens, text):
    method = build_pruner(name)
    kept = method.prune(tokens, IMAGE_OF, text, keep, 0, KEYS)
    assert kept.total == 16
    for image, chosen, features in zip(IMAGE_OF, kept.indices, kept.features, strict=True):
        if name in FIXED:
            assert len(chosen) == max(1, math.floor(keep * 16 + 0.5))
        assert (chosen.diff() > 0).all()
        assert chosen[0] >= 0
        assert chosen[-1] < 16
        assert features.shape == (len(chosen), tokens.features.shape[2])
        if method.merging is None:
            assert torch.equal(features, tokens.features[image, chosen])


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (5, 6), (3, 7), (1, 9), (7, 7), (14, 14), (24, 24)])
def test_a_fixed_budget_is_met_exactly_on_every_grid(name, grid):
    """30 = 5 × 6 and odd numbers are where released code crashes or loses a token."""
    tokens, text = made_up(grid)
    total = grid[0] * grid[1]
    for count in sorted({1, 2, 3, total // 3, total // 2 + 1, total - 1, total} - {0}):
        kept = build_pruner(name).prune(tokens, [0], text, count / total, 0, ["k"])
        (chosen,), (features,) = kept.indices, kept.features
        assert len(chosen) == len(features) == count
        assert (chosen.diff() > 0).all()
        assert 0 <= chosen[0] <= chosen[-1] < total
        assert features.isfinite().all()
    assert torch.equal(features, tokens.features[0])


def test_kept_tokens_do_not_depend_on_the_batch(method, tokens, text):
    together = method.prune(tokens, IMAGE_OF, text, 0.3, 0, KEYS)
    for q in range(0, len(ASKED), 3):
        image = IMAGE_OF[q]
        signals = {name: signal[image : image + 1] for name, signal in tokens.signals.items()}
        single = VisionTokens(tokens.features[image : image + 1], tokens.grid, signals, tokens.project)
        alone = method.prune(single, [0], text[q : q + 1], 0.3, 0, [KEYS[q]])
        assert indices(alone) == [together.indices[q].tolist()]
        assert torch.equal(alone.features[0], together.features[q])


def test_pruning_is_deterministic_and_leaves_its_input_and_global_randomness_alone(method, tokens, text):
    before = {name: signal.clone() for name, signal in tokens.signals.items()}
    state = torch.random.get_rng_state()
    first = indices(method.prune(tokens, IMAGE_OF, text, 0.3, 3, KEYS))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert indices(method.prune(tokens, IMAGE_OF, text, 0.3, 3, KEYS)) == first
    assert all(torch.equal(before[name], signal) for name, signal in tokens.signals.items())


def test_questions_with_the_same_tokens_share_them(method, tokens, text):
    kept = method.prune(tokens, IMAGE_OF, text, 0.3, 0, KEYS)
    distinct = len({id(features) for features in kept.features})
    assert distinct == (len(ASKED) if method.needs_text else 5)


def test_pruned_answers_are_those_of_single_questions(method, tiny_backbone, tokens, text):
    kept = method.prune(tokens, IMAGE_OF, text, 0.3, 0, KEYS)
    batch = tiny_backbone.answer(kept, ASKED)
    for q in range(0, len(ASKED), 7):
        one = method.prune(tokens, IMAGE_OF[q : q + 1], text[q : q + 1], 0.3, 0, KEYS[q : q + 1])
        assert tiny_backbone.answer(one, ASKED[q : q + 1])[0].token_ids == batch[q].token_ids


@pytest.mark.parametrize("name", [name for name in PRUNED if build_pruner(name).needs])
def test_broken_signals_are_an_error(name, tokens, text):
    method = build_pruner(name)
    for signal in method.needs:
        broken = {key: value.clone() for key, value in tokens.signals.items()}
        broken[signal][2, 0, 0] = float("nan")
        with pytest.raises(ValueError, match=f"{signal} of image 2: nan or infinite"):
            method.prune(VisionTokens(tokens.features, tokens.grid, broken), [2], text[:1], 0.3, 0, ["k"])


@pytest.mark.parametrize("name", PRUNED)
def test_features_that_are_not_finite_are_an_error(name, tokens, text):
    for value in (float("nan"), float("inf")):
        features = tokens.features.clone()
        features[2, 3, 0] = value
        broken = VisionTokens(features, tokens.grid, tokens.signals, tokens.project)
        build_pruner(name).prune(broken, [1], text[:1], 0.3, 0, ["k"])  # another image is none the worse
        with pytest.raises(ValueError, match="features of image 2: nan or infinite"):
            build_pruner(name).prune(broken, [2], text[:1], 0.3, 0, ["k"])


@pytest.mark.parametrize("name", PRUNED)
def test_tokens_without_contrast_are_pruned_by_index(name, tokens, text):
    flat = {key: torch.full_like(value, 0.25) for key, value in tokens.signals.items()}
    features = torch.ones_like(tokens.features)
    method = build_pruner(name)
    even = VisionTokens(features, tokens.grid, flat, tokens.project)
    kept = method.prune(even, [0], text[:1], 0.3, 0, ["k"])
    assert kept.features[0].isfinite().all()
    if name in FIXED:
        assert len(kept.indices[0]) == 5
    if method.needs and method.selection is top_k:
        assert indices(kept) == [list(range(len(kept.indices[0])))]


@pytest.mark.parametrize("name", PRUNED)
@pytest.mark.parametrize("policy", ["original", "compacted"])
def test_every_pruner_takes_a_position_policy(name, policy, tokens, text):
    method = build_pruner(name, {"position_policy": policy})
    assert method.prune(tokens, [0], text[:1], 0.3, 0, ["k"]).position_policy == policy
