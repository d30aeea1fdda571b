"""Patches that leave inside the vision tower, against the same tower with masks instead."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny_llava import QUESTIONS, photos
from torch.utils.flop_counter import FlopCounterMode

from robust_atp.backbones.seam import KeptTokens
from robust_atp.backbones.thinning import Parting, Thinning, embed_pixels, inner_tower
from robust_atp.errors import UserError

IMAGES = photos(4)


class Planted:
    """Keeps the patches with the largest of given scores; which, depends on the image's content."""

    def __init__(self, seed, flat=False):
        self.direction = torch.randn(32, generator=torch.Generator().manual_seed(seed))
        self.flat = flat

    def score(self, patches):
        return 1 + torch.cosine_similarity(patches, self.direction[None], dim=1)

    def __call__(self, view, count):
        scores = self.score(view.patches)
        weights = torch.zeros_like(scores) if self.flat else scores
        return Parting(scores.topk(count).indices.sort().values, weights)


def thinning(cuts, **options):
    return Thinning(cuts, tuple(Planted(seed) for seed in range(len(cuts))), **options)


def pixels(backbone, images):
    batch = backbone.processor.image_processor(images, input_data_format="channels_last", return_tensors="pt")
    return batch["pixel_values"]


def masked(backbone, image, plan, depth=2):
    """One image through the whole tower: dropped patches stay, but nobody looks at them, and one slot is the package.

    Returns what stands at kept positions and in the slot, and the positions kept after each cut.
    """
    layers = inner_tower(backbone._tower).encoder.layers
    hidden = embed_pixels(backbone._tower, pixels(backbone, [image]))[0]
    total = len(hidden) - 1
    weight: dict[int, float] = {}
    alive, stages = list(range(total)), []
    package = torch.zeros(1, hidden.shape[1])
    for number in range(1, depth + 1):
        places = [0, *(1 + p for p in alive)] + ([1 + total] if weight and plan.packaged else [])
        mask = torch.full((total + 2,), float("-inf"))
        mask[places] = 0
        out = layers[number - 1](torch.cat([hidden, package])[None], mask[None, None, None])[0]
        hidden, package = out[:-1], out[-1:]
        for (after, count), rule in zip(plan.cuts, plan.rules, strict=True):
            if after == number and count < len(alive):
                scores = rule.score(hidden[[1 + p for p in alive]]).tolist()
                order = sorted(range(len(alive)), key=lambda i: -scores[i])
                gone = {alive[i]: 1.0 if rule.flat else scores[i] for i in order[count:]}
                sums = sum(s * hidden[1 + p] for p, s in gone.items()) + sum(weight.values()) * package[0]
                weight |= gone
                package = (sums / sum(weight.values()))[None]
                alive = sorted(alive[i] for i in order[:count])
            if after == number:
                stages.append(alive)
    return hidden[[1 + p for p in alive]], package, stages, weight


CUTS = [((1, 12), (2, 5)), ((1, 15), (2, 15)), ((1, 16), (2, 1)), ((1, 1), (2, 1)), ((2, 7),), ((1, 4),)]


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("options", [{}, {"projected": False}, {"packaged": False, "projected": False}])
@torch.inference_mode()
def test_dropping_equals_masking_inside_the_tower(tiny_backbone, cuts, options):
    plan = thinning(cuts, **options)
    for image, found in zip(IMAGES, tiny_backbone.encode(IMAGES, frozenset(), plan), strict=True):
        kept, package, stages, weight = masked(tiny_backbone, image, plan)
        leaving = torch.cat([kept, package]) if plan.projected and weight else kept
        torch.testing.assert_close(found.features, tiny_backbone._projector(leaving), rtol=1e-4, atol=1e-4)
        assert [stage.tolist() for stage in found.thinned.stages] == stages
        heaviest = [max(weight, key=weight.get)] if plan.projected and weight else []
        assert found.thinned.made_at.tolist() == heaviest
        assert found.total == found.thinned.total == 16


@torch.inference_mode()
def test_the_rule_sees_what_is_left_and_the_attention_of_the_coming_layer(tiny_backbone):
    views = []

    def look(view, count):
        views.append(view)
        return Planted(0)(view, count)

    tiny_backbone.encode(IMAGES[:1], frozenset(), Thinning(((1, 9), (2, 4)), (look, look)))
    assert [(view.left, view.heads) for view in views] == [(16, 4), (9, 4)]
    assert [len(view.hidden) for view in views] == [17, 11]
    whole = tiny_backbone.encode(IMAGES[:1], frozenset({"cls_attention:projected"}))[0]
    torch.testing.assert_close(views[0].cls_attention(), whole.signals["cls_attention:projected"])
    assert views[1].cls_attention().shape == (4, 9)


@torch.inference_mode()
def test_nothing_dropped_is_the_whole_tower(tiny_backbone):
    plan = thinning(((1, 16), (2, 16)))
    whole = tiny_backbone.encode(IMAGES, frozenset())
    for one, other in zip(tiny_backbone.encode(IMAGES, frozenset(), plan), whole, strict=True):
        torch.testing.assert_close(one.features, other.features, rtol=1e-5, atol=1e-5)
        assert not len(one.thinned.made_at)
        assert one.encode_flops == other.encode_flops


@torch.inference_mode()
def test_an_image_is_thinned_alike_alone_and_in_a_batch(tiny_backbone):
    plan = thinning(((1, 10), (2, 4)))
    batch = tiny_backbone.encode(IMAGES, frozenset(), plan)
    assert len({tuple(found.thinned.stages[-1].tolist()) for found in batch}) == len(IMAGES)
    for image, found in zip(IMAGES, batch, strict=True):
        (alone,) = tiny_backbone.encode([image], frozenset(), plan)
        assert [s.tolist() for s in alone.thinned.stages] == [s.tolist() for s in found.thinned.stages]
        torch.testing.assert_close(alone.features, found.features, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_package_of_weightless_patches_is_their_plain_mean(tiny_backbone):
    plan = Thinning(((1, 10),), (Planted(0, flat=True),))
    (found,) = tiny_backbone.encode(IMAGES[:1], frozenset(), plan)
    kept, package, _, _ = masked(tiny_backbone, IMAGES[0], plan)
    leaving = tiny_backbone._projector(torch.cat([kept, package]))
    torch.testing.assert_close(found.features, leaving, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depths", [(), (0,), (2, 1), (1, 1), (3,)])
def test_cuts_that_cannot_be_made_are_refused(tiny_backbone, depths):
    plan = thinning(tuple((depth, 4) for depth in depths))
    with pytest.raises(UserError, match=r"ascending and within 1\.\.2"):
        tiny_backbone.encode(IMAGES[:1], frozenset(), plan)


def test_a_tower_of_which_several_layers_are_projected_cannot_be_thinned(tiny_backbone, monkeypatch):
    monkeypatch.setattr(tiny_backbone.model.config, "vision_feature_layer", [-2, -3])
    assert tiny_backbone.tower is None


@pytest.mark.parametrize("policy", ["original", "compacted"])
@torch.inference_mode()
def test_the_decoder_reads_the_package_after_the_patches(tiny_backbone, policy):
    """Oracle: the same features as ordinary tokens of an image whose grid has them where the package is to stand."""
    found = tiny_backbone.encode(IMAGES, frozenset(), thinning(((1, 10), (2, 4))))
    stages = [image.thinned.stages[-1] for image in found]
    features = [image.features for image in found]
    kept = KeptTokens(features, stages, [16] * 4, policy, [image.thinned for image in found])
    for q, question in enumerate(QUESTIONS):
        places = torch.cat([stages[q], found[q].thinned.made_at])
        assert kept.places(q).tolist() == places.tolist()
        plain = KeptTokens([features[q]], [places], [16], policy)
        (expected,) = tiny_backbone.answer(plain, [question])
        answer = tiny_backbone.answer(kept, QUESTIONS)[q]
        assert answer == replace(
            expected, first_token_logprob=answer.first_token_logprob, yes_no_margin=answer.yes_no_margin
        )
        assert answer.first_token_logprob == pytest.approx(expected.first_token_logprob, abs=1e-4)


@pytest.mark.parametrize("cuts", [((1, 10), (2, 4)), ((1, 4),), ((2, 4),)])
def test_thinned_encoding_costs_what_torch_counts(tiny_backbone, cuts):
    """But for what pruning computes, here the package."""
    with eager(tiny_backbone._tower), FlopCounterMode(display=False) as counter:
        (found,) = tiny_backbone.encode(IMAGES[:1], frozenset(), thinning(cuts))
    counts = [16, *(count for _, count in cuts)]
    packing = sum(2 * (before - after) * 32 for before, after in pairwise(counts))
    assert counter.get_total_flops() == found.encode_flops + packing


def test_whole_encoding_costs_what_torch_counts(tiny_backbone):
    """But for the layer behind the projected one, which transformers runs for nothing."""
    with eager(tiny_backbone._tower), FlopCounterMode(display=False) as counter:
        tiny_backbone.model.model.get_image_features(pixels(tiny_backbone, IMAGES[:1]))
    (found,) = tiny_backbone.encode(IMAGES[:1], frozenset())
    tower = tiny_backbone.tower
    unused = 2 * 17 * tower.weights + 4 * 17**2 * tower.attention
    assert counter.get_total_flops() == found.encode_flops + unused


class eager:
    """Attention made of plain matrix products, which the counter knows on every device."""

    def __init__(self, tower):
        self.tower = tower

    def __enter__(self):
        self.tower.set_attn_implementation("eager")

    def __exit__(self, *_):
        self.tower.set_attn_implementation("sdpa")


def test_llava_15_costs_what_its_shapes_say():
    from robust_atp.backbones.flops import TowerShape

    tower = TowerShape(576, 24, 23, 12_582_912, 1024, 16, 602_112, 20_971_520)
    flops = tower.flops([577] * 23, 576)
    assert flops == 2 * 576 * 602_112 + 23 * (2 * 577 * 12_582_912 + 4 * 577**2 * 1024) + 2 * 576 * 20_971_520
    assert flops == pytest.approx(390e9, rel=0.01)
