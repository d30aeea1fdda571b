"""A smaller input image, against transformers' own way with images of another size."""

from dataclasses import replace

import pytest
import torch
from tiny_llava import QUESTIONS, photos
from torch.utils.flop_counter import FlopCounterMode

from robust_atp.backbones.seam import KeptTokens
from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner

METHOD = build_pruner("resize")
IMAGES = photos(3)
# keep -> rows, columns and positions on the grid of 4 × 4
GRIDS = {
    0.01: ((1, 1), [10]),
    0.25: ((2, 2), [5, 7, 13, 15]),
    0.35: ((2, 3), [4, 6, 7, 12, 14, 15]),
    0.6: ((3, 3), [0, 2, 3, 8, 10, 11, 12, 14, 15]),
}


def shrunk(backbone, keep, images=IMAGES):
    return backbone.encode(images, frozenset(), METHOD.thinning(keep, 16, backbone))


@pytest.mark.parametrize("keep", GRIDS)
@torch.no_grad()
def test_it_is_what_transformers_makes_of_the_smaller_image(tiny_backbone, keep):
    (rows, columns), places = GRIDS[keep]
    batch = tiny_backbone.processor.image_processor(
        IMAGES, input_data_format="channels_last", return_tensors="pt"
    )["pixel_values"]
    small = torch.nn.functional.interpolate(batch, (14 * rows, 14 * columns), mode="bicubic", antialias=True)
    model = tiny_backbone.model.model
    expected = model.get_image_features(small, interpolate_pos_encoding=True, return_dict=True).pooler_output
    found = shrunk(tiny_backbone, keep)
    kept = METHOD.prune(found, [0, 1, 2, 1], None, keep, 0, ["k"] * 4)
    for image, features, indices in zip([0, 1, 2, 1], kept.features, kept.indices, strict=True):
        torch.testing.assert_close(features, expected[image])
        assert indices.tolist() == places
    assert kept.totals == [16] * 4


@pytest.mark.parametrize("policy", ["original", "compacted"])
def test_tokens_enter_the_decoder_at_the_places_of_their_patches(tiny_backbone, policy):
    method = build_pruner("resize", {"position_policy": policy})
    tokens = shrunk(tiny_backbone, 0.35)
    kept = method.prune(tokens, [0, 1, 2], None, 0.35, 0, ["k"] * 3)
    plain = KeptTokens(
        [image.features for image in tokens], [torch.tensor(GRIDS[0.35][1])] * 3, [16] * 3, policy
    )
    assert tiny_backbone.answer(kept, QUESTIONS[:3]) == tiny_backbone.answer(plain, QUESTIONS[:3])


def test_operations_are_those_of_the_smaller_image(tiny_backbone):
    tower = tiny_backbone._tower
    tower.set_attn_implementation("eager")
    try:
        with FlopCounterMode(display=False) as counter:
            (image,) = shrunk(tiny_backbone, 0.35, IMAGES[:1])
    finally:
        tower.set_attn_implementation("sdpa")
    assert image.encode_flops == counter.get_total_flops()
    (whole,) = tiny_backbone.encode(IMAGES[:1], frozenset())
    assert image.encode_flops < whole.encode_flops * 0.4


def test_no_image_is_shrunk_at_the_whole_budget_and_a_backbone_without_a_tower_is_refused(
    tiny_backbone, monkeypatch
):
    assert METHOD.thinning(1.0, 16, tiny_backbone) is None
    assert (
        METHOD.thinning(0.95, 16, tiny_backbone) is None
    )  # no grid has 15 patches, and 16 is nearer than 12
    with pytest.raises(ValueError, match="16 tokens left the vision tower and 4 were asked for"):
        METHOD.prune(tiny_backbone.encode(IMAGES, frozenset()), [0], None, 0.25, 0, ["k"])
    monkeypatch.setattr(type(tiny_backbone), "tower", None)
    with pytest.raises(UserError, match=r"pruner 'resize' on backbone .* cuts before the vision tower"):
        METHOD.check(tiny_backbone)


def test_what_is_not_finite_is_an_error(tiny_backbone):
    tokens = shrunk(tiny_backbone, 0.25)
    spoiled = replace(tokens[1], features=tokens[1].features * float("nan"))
    with pytest.raises(ValueError, match="features of image 1: nan or infinite"):
        METHOD.prune([tokens[0], spoiled], [0, 1], None, 0.25, 0, ["k"] * 2)
