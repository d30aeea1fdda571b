"""Patch coverage against the image processor itself and against a pixel-wise count."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.geometry import pad_to_square, patch_coverage, resized_size


@pytest.mark.parametrize("size", [(56, 56), (113, 200), (200, 113), (31, 90), (480, 640)])
def test_coverage_follows_the_image_processor(size):
    """Oracle: the mask as an image through resize (box filter) and crop, averaged over 14 × 14 pixels."""
    rng = np.random.default_rng(0)
    coarse = rng.random((7, 7)) < 0.4
    mask = np.kron(coarse, np.ones((size[0] // 7 + 1, size[1] // 7 + 1), bool))[: size[0], : size[1]]
    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    image = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    pixels = processor(
        image, resample=Image.Resampling.BOX, do_normalize=False, input_data_format="channels_last"
    )["pixel_values"][0][0]
    expected = pixels.reshape(4, 14, 4, 14).mean((1, 3)).ravel()
    coverage = patch_coverage(mask, resized_size(size, {"shortest_edge": 56}), (56, 56), (4, 4))
    # Resizing blurs a mask border over about one pixel of 14.
    np.testing.assert_allclose(coverage, expected, atol=0.08)
    assert expected.std() > 0.1


def test_coverage_is_exact_where_patches_align_with_pixels():
    mask = np.random.default_rng(1).random((12, 18)) < 0.5
    expected = mask.reshape(4, 3, 6, 3).mean((1, 3)).ravel()
    np.testing.assert_allclose(patch_coverage(mask, (24, 36), (24, 36), (4, 6)), expected)


def test_padding_outside_the_image_is_not_covered():
    coverage = patch_coverage(np.ones((10, 20), bool), (10, 20), (20, 20), (2, 2))
    np.testing.assert_allclose(coverage, 0.5)
    np.testing.assert_allclose(patch_coverage(np.ones((10, 20), bool), (10, 20), (10, 10), (2, 2)), 1)


def test_object_patches_hold_at_least_half_their_area(tiny_backbone):
    mask = np.zeros((112, 112), bool)  # patches of 28 × 28 original pixels
    mask[:14, :28] = True  # exactly half of patch 0
    mask[28:41, :28] = True  # 13 of 28 rows of patch 4
    mask[56:, 56:] = True  # patches 10, 11, 14, 15
    assert np.flatnonzero(tiny_backbone.object_patches(mask)).tolist() == [0, 10, 11, 14, 15]


def test_size_given_as_height_and_width():
    assert resized_size((31, 90), {"shortest_edge": None, "height": 24, "width": 36}) == (24, 36)


def test_padding_to_a_square_is_what_the_original_code_does():
    """Oracle: a picture of the mean colour, with the image pasted into its middle."""
    rng = np.random.default_rng(0)
    for height, width in [(40, 71), (71, 40), (33, 33), (10, 11)]:
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        side = max(height, width)
        square = Image.new("RGB", (side, side), (122, 116, 104))
        square.paste(Image.fromarray(image), ((side - width) // 2, (side - height) // 2))
        padded = pad_to_square(image, np.array([122, 116, 104], np.uint8))
        np.testing.assert_array_equal(padded, np.asarray(square))


@pytest.fixture(scope="module")
def padding_backbone(tiny_llava_folder):
    return load_backbone(BackboneSpec(str(tiny_llava_folder), options={"preprocessing": "pad"}))


def test_padding_shows_the_backbone_the_whole_image(tiny_backbone, padding_backbone):
    """What the centre crop cuts off changes nothing with ``crop``, and the features with ``pad``."""
    image = np.random.default_rng(0).integers(0, 256, (56, 112, 3), dtype=np.uint8)
    other = image.copy()
    other[:, :20] = 255 - other[:, :20]
    for backbone, sees in ((tiny_backbone, False), (padding_backbone, True)):
        a, b = backbone.encode([image, other])
        assert torch.equal(a.features, b.features) != sees


def test_object_patches_follow_the_padding(tiny_backbone, padding_backbone):
    """Patches of a 56 × 112 image are 14 pixels wide when cropped, and 28 when padded by 28 above and below."""
    mask = np.zeros((56, 112), bool)
    mask[:28, :28] = True
    assert np.flatnonzero(tiny_backbone.object_patches(mask)).tolist() == []  # 28 pixels are cropped away
    assert np.flatnonzero(padding_backbone.object_patches(mask)).tolist() == [4]
    assert np.flatnonzero(padding_backbone.object_patches(np.ones((56, 112), bool))).tolist() == [
        *range(4, 12)
    ]
