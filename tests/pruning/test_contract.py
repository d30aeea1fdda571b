"""What every registered pruner must keep to, on a real backbone. A new pruner is picked up by itself."""

import math
from dataclasses import replace

import pytest
import torch
from made_up import made_up
from tiny_llava import QUESTIONS, photos

from robust_atp.pruning import PRUNERS, build_pruner, keep_indices
from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.selection import top_k

BUILT = {name: build_pruner(name) for name in PRUNERS.names()}
# Between vision tower and decoder; what cuts inside one of the two has more tests elsewhere.
PRUNED = [name for name, m in BUILT.items() if name != "none" and m.inside is None and m.tower is None]
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
def method(request, ready):
    return ready(request.param)


@pytest.fixture
def seen(method, tiny_backbone, tokens):
    """The photos as the method's arm sees them at a budget."""

    def encode(keep):
        thinning = method.thinning(keep, 16, tiny_backbone)
        return tokens if thinning is None else tiny_backbone.encode(photos(5), frozenset(), thinning)

    return encode


def test_it_describes_itself(method, request):
    assert method.name == request.node.callspec.params["method"]
    assert method.summary
    assert method.placement
    assert "\n" not in method.summary


def test_keeping_all_is_the_unpruned_model(method, tiny_backbone, tokens, seen, text):
    kept = method.prune(seen(1.0), IMAGE_OF, text, 1.0, 0, KEYS)
    full = keep_indices(tokens, [range(16)] * len(ASKED), "original", IMAGE_OF)
    assert indices(kept) == indices(full)
    expected = [answer.token_ids for answer in tiny_backbone.answer(full, ASKED)]
    assert [answer.token_ids for answer in tiny_backbone.answer(kept, ASKED)] == expected


@pytest.mark.parametrize("name", PRUNED)
@pytest.mark.parametrize("keep", [0.01, 1 / 16, 0.3, 15 / 16])
def test_kept_tokens_are_ascending_and_as_many_as_asked(name, keep, tokens, text):
    method = build_pruner(name)
    kept = method.prune(tokens, IMAGE_OF, text, keep, 0, KEYS)
    for image, chosen, features, total in zip(
        IMAGE_OF, kept.indices, kept.features, kept.totals, strict=True
    ):
        assert total == 16
        if name in FIXED:
            assert len(chosen) == max(1, math.floor(keep * 16 + 0.5))
        assert (chosen.diff() > 0).all()
        assert chosen[0] >= 0
        assert chosen[-1] < 16
        assert features.shape == (len(chosen), tokens[image].features.shape[1])
        if method.merging is None:
            assert torch.equal(features, tokens[image].features[chosen])


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
    assert torch.equal(features, tokens[0].features)


def test_kept_tokens_do_not_depend_on_the_batch(method, seen, text):
    tokens = seen(0.3)
    together = method.prune(tokens, IMAGE_OF, text, 0.3, 0, KEYS)
    for q in range(0, len(ASKED), 3):
        alone = method.prune([tokens[IMAGE_OF[q]]], [0], text[q : q + 1], 0.3, 0, [KEYS[q]])
        assert indices(alone) == [together.indices[q].tolist()]
        assert torch.equal(alone.features[0], together.features[q])


def test_pruning_is_deterministic_and_leaves_its_input_and_global_randomness_alone(method, seen, text):
    tokens = seen(0.3)
    before = [{name: signal.clone() for name, signal in image.signals.items()} for image in tokens]
    state = torch.random.get_rng_state()
    first = indices(method.prune(tokens, IMAGE_OF, text, 0.3, 3, KEYS))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert indices(method.prune(tokens, IMAGE_OF, text, 0.3, 3, KEYS)) == first
    assert indices(method.prune(seen(0.3), IMAGE_OF, text, 0.3, 3, KEYS)) == first
    for image, signals in zip(tokens, before, strict=True):
        assert all(torch.equal(signals[name], signal) for name, signal in image.signals.items())


def test_questions_with_the_same_tokens_share_them(method, seen, text):
    kept = method.prune(seen(0.3), IMAGE_OF, text, 0.3, 0, KEYS)
    distinct = len({id(features) for features in kept.features})
    assert distinct == (len(ASKED) if method.needs_text else 5)


def test_pruned_answers_are_those_of_single_questions(method, tiny_backbone, seen, text):
    tokens = seen(0.3)
    kept = method.prune(tokens, IMAGE_OF, text, 0.3, 0, KEYS)
    batch = tiny_backbone.answer(kept, ASKED)
    for q in range(0, len(ASKED), 7):
        one = method.prune(tokens, IMAGE_OF[q : q + 1], text[q : q + 1], 0.3, 0, KEYS[q : q + 1])
        assert tiny_backbone.answer(one, ASKED[q : q + 1])[0].token_ids == batch[q].token_ids


@pytest.mark.parametrize("name", [name for name in PRUNED if build_pruner(name).needs])
def test_broken_signals_are_an_error(name, tokens, text):
    method = build_pruner(name)
    for signal in method.needs:
        spoiled = tokens[2].signals[signal].clone()
        spoiled[0, 0] = float("nan")
        broken = [*tokens[:2], replace(tokens[2], signals={**tokens[2].signals, signal: spoiled})]
        with pytest.raises(ValueError, match=f"{signal} of image 2: nan or infinite"):
            method.prune(broken, [2], text[:1], 0.3, 0, ["k"])


@pytest.mark.parametrize("name", PRUNED)
def test_features_that_are_not_finite_are_an_error(name, tokens, text):
    for value in (float("nan"), float("inf")):
        features = tokens[2].features.clone()
        features[3, 0] = value
        broken = [*tokens[:2], replace(tokens[2], features=features)]
        build_pruner(name).prune(broken, [1], text[:1], 0.3, 0, ["k"])  # another image is none the worse
        with pytest.raises(ValueError, match="features of image 2: nan or infinite"):
            build_pruner(name).prune(broken, [2], text[:1], 0.3, 0, ["k"])


@pytest.mark.parametrize("name", PRUNED)
def test_tokens_without_contrast_are_pruned_by_index(name, tokens, text):
    flat = {key: torch.full_like(value, 0.25) for key, value in tokens[0].signals.items()}
    even = replace(tokens[0], features=torch.ones_like(tokens[0].features), signals=flat)
    method = build_pruner(name)
    kept = method.prune([even], [0], text[:1], 0.3, 0, ["k"])
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
