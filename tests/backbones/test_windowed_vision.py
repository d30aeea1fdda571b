"""Signals of Qwen2.5-VL's vision tower against eager attention and a naive walk over windows."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_llava import photos
from tiny_qwen2_5_vl import PATCH, tiny_qwen2_5_vl

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_qwen2_5_vl(tmp_path_factory.mktemp("qwen2_5_vl"))


@pytest.fixture(scope="module")
def backbone(folder):
    return load_backbone(BackboneSpec(str(folder)))


def patch_order(rows, columns):
    """(row, column) of every patch in the tower's order: windows of 4 × 4 patches, in them squares of 2 × 2."""
    order = []
    for top in range(0, rows, 4):
        for left in range(0, columns, 4):
            for y in range(top, min(top + 4, rows), 2):
                for x in range(left, min(left + 4, columns), 2):
                    order += [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)]
    return order


@pytest.mark.parametrize("number", range(4))
@torch.no_grad()
def test_received_attention_is_summed_over_the_patches_of_a_square(backbone, number):
    """Oracle: softmax over all patches from what entered the layer, rotated pair by pair."""
    image = photos(4)[number]
    entered = {}
    handles = [
        backbone.model.model.visual.blocks[index].attn.register_forward_pre_hook(
            lambda module, arguments, options, index=index: entered.update({index: (arguments[0], options)}),
            with_kwargs=True,
        )
        for index in (1, 3)
    ]
    try:
        (tokens,) = backbone.encode([image], frozenset({"received_attention:last", "received_attention:4/8"}))
    finally:
        for handle in handles:
            handle.remove()
    rows, columns = (2 * side for side in tokens.grid)
    for layer, index in (("last", 3), ("4/8", 1)):
        states, options = entered[index]
        attention = backbone.model.model.visual.blocks[index].attn
        queries, keys, _ = (
            attention.qkv(states).reshape(len(states), 3, 4, 8).permute(1, 2, 0, 3)
        )  # [4, n, 8]
        cosine, sine = options["position_embeddings"]
        turned = [rotated(part, cosine, sine) for part in (queries, keys)]
        received = (turned[0] @ turned[1].mT / 8**0.5).softmax(-1).mean(1)  # [4, n]
        expected = torch.zeros(4, rows // 2, columns // 2)
        for place, (y, x) in enumerate(patch_order(rows, columns)):
            expected[:, y // 2, x // 2] += received[:, place]
        found = tokens.signals[f"received_attention:{layer}"]
        torch.testing.assert_close(found, expected.flatten(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.sum(1), torch.ones(4))


def rotated(states, cosine, sine):
    """Rotary embedding of [H, n, 8]: dimension i turns with i + 4."""
    out = torch.empty_like(states)
    for i in range(4):
        a, b = states[..., i], states[..., i + 4]
        out[..., i] = a * cosine[:, i] - b * sine[:, i]
        out[..., i + 4] = b * cosine[:, i] + a * sine[:, i]
    return out


def test_keys_are_means_of_unrotated_keys(backbone):
    image = photos(4)[1]
    seen = []
    attention = backbone.model.model.visual.blocks[0].attn
    handle = attention.qkv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        (tokens,) = backbone.encode([image], frozenset({"keys:1/8"}))
    finally:
        handle.remove()
    rows, columns = (2 * side for side in tokens.grid)
    expected = torch.zeros(4, rows // 2, columns // 2, 8)
    for place, (y, x) in enumerate(patch_order(rows, columns)):
        keys = seen[0][place, 32:64].reshape(4, 8)  # queries, keys and values of 4 heads stand side by side
        expected[:, y // 2, x // 2] += keys / 4
    torch.testing.assert_close(tokens.signals["keys:1/8"], expected.flatten(1, 2), rtol=1e-4, atol=1e-5)
    assert not attention.qkv._forward_hooks


@pytest.mark.parametrize("size", [(56, 56), (70, 90), (120, 64), (40, 80), (31, 150)])
def test_object_patches_follow_the_image_processor(backbone, size):
    """Oracle: the mask as a white image through the processor, each square's mean brightness against one half."""
    coarse = np.random.default_rng(0).random((5, 5)) < 0.5
    mask = np.kron(coarse, np.ones((size[0] // 5 + 1, size[1] // 5 + 1), bool))[: size[0], : size[1]]
    inputs = backbone.image_processor(
        np.repeat(mask[..., None] * np.uint8(255), 3, axis=2),
        resample=Image.Resampling.BOX, do_normalize=False, input_data_format="channels_last",
    )  # fmt: skip
    # Squares follow each other in raster order here, and the four patches of each.
    expected = np.asarray(inputs["pixel_values"]).reshape(-1, 4 * 3 * 2 * PATCH**2).mean(1)
    found = backbone.object_patches(mask)
    clear = np.abs(expected - 0.5) > 0.12
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(found[clear], expected[clear] > 0.5)
    assert 0 < found.sum() < len(found)


def test_pixel_bounds_decide_how_many_tokens_there_are(folder, backbone):
    image = photos(2)[1]
    square = (2 * PATCH) ** 2
    small: Any = load_backbone(
        BackboneSpec(str(folder), options={"min_pixels": square, "max_pixels": 6 * square})
    )
    (few,), (many,) = (b.encode([image], frozenset()) for b in (small, backbone))
    assert len(few.features) <= 6 < len(many.features)
    assert small.object_patches(np.ones(image.shape[:2], bool)).shape == (len(few.features),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_pixels": 0}, "max_pixels must be a whole number of at least 1; got 0"),
        ({"min_pixels": 9, "max_pixels": 5}, "min_pixels must not be more than max_pixels, 5; got 9"),
    ],
)
def test_impossible_pixel_bounds_are_refused(folder, options, message):
    with pytest.raises(UserError, match=message):
        load_backbone(BackboneSpec(str(folder), options=options))


def test_there_is_no_text_tower_and_no_clip_to_name(folder, backbone):
    with pytest.raises(UserError, match="has no text tower: its vision tower is no CLIP's"):
        backbone.embed_questions(["how many"])
    with pytest.raises(UserError, match="takes no option clip"):
        load_backbone(BackboneSpec(str(folder), clip="openai/clip-vit-base-patch32"))
