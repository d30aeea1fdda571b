"""Patch coverage against the image processor itself and against a pixel-wise count."""

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil

from robust_atp.backbones.geometry import patch_coverage, resized_size


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
