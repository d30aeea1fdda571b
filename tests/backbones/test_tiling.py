"""Which patches of an any-resolution image the decoder reads, against the image processor itself."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_llava_next import tiny_llava_next

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.tiling import Tiling

SIZES = [(56, 56), (70, 90), (120, 64), (40, 80), (30, 200), (200, 30), (113, 57)]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return load_backbone(BackboneSpec(str(tiny_llava_next(tmp_path_factory.mktemp("llava_next")))))


@pytest.mark.parametrize("size", SIZES)
def test_views_are_what_is_left_of_the_tiles(backbone, size):
    """Oracle: a loop over all patches of the mosaic that drops what the model's own unpadding drops."""
    tiling = Tiling.of(size, backbone.model.model)
    rows, columns = tiling.grid
    assert (rows, columns) == expected_grid(size, tiling.tiles)
    top, left = (4 * tiling.tiles[0] - rows) // 2, (4 * tiling.tiles[1] - columns) // 2
    expected = list(range(16))
    for row in range(top, top + rows):
        for column in range(left, left + columns):
            tile = 1 + (row // 4) * tiling.tiles[1] + column // 4
            expected.append(16 * tile + 4 * (row % 4) + column % 4)
        expected.append(-1)
    assert tiling.packed.tolist() == expected
    parts = tiling.parts(torch.device("cpu"))
    assert parts[0].tokens.tolist() == list(range(16))
    assert sum(len(part.tokens) for part in parts) == 16 + rows * columns
    assert all(part.grid[0] * part.grid[1] == len(part.tokens) for part in parts)


def expected_grid(size, tiles):
    """Patches that stay: as many rows or columns of padding leave on both sides, rounded down."""
    height, width = 4 * tiles[0], 4 * tiles[1]
    if size[1] / size[0] > width / height:
        return height - 2 * ((height - int(round(size[0] * width / size[1], 7))) // 2), width
    return height, width - 2 * ((width - int(round(size[1] * height / size[0], 7))) // 2)


@pytest.mark.parametrize("size", SIZES)
def test_object_patches_follow_the_image_processor(backbone, size):
    """Oracle: the mask as a white image through the processor, each patch's mean brightness against one half."""
    rng = np.random.default_rng(0)
    coarse = rng.random((5, 5)) < 0.5
    mask = np.kron(coarse, np.ones((size[0] // 5 + 1, size[1] // 5 + 1), bool))[: size[0], : size[1]]
    white = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    views = backbone.processor.image_processor(
        white, resample=Image.Resampling.BOX, do_normalize=False, input_data_format="channels_last"
    )["pixel_values"][0]
    views = np.asarray(views)[:, 0]  # [views, 56, 56]
    brightness = views.reshape(len(views), 4, 14, 4, 14).mean((2, 4)).ravel()
    tiling = Tiling.of(size, backbone.model.model)
    expected = brightness[tiling.patches.numpy()]
    found = backbone.object_patches(mask)
    clear = np.abs(expected - 0.5) > 0.1  # resizing blurs a mask border over about one pixel of 14
    assert clear.mean() > 0.6
    np.testing.assert_array_equal(found[clear], expected[clear] > 0.5)
    assert 0 < found.sum() < len(found)


def test_attention_is_that_of_each_view_by_itself(backbone):
    """A token's CLS attention is the one that its tile alone has in the vision tower."""
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    (tokens,) = backbone.encode([image], frozenset({"cls_attention:last"}))
    views = backbone.processor.image_processor(image, input_data_format="channels_last", return_tensors="pt")[
        "pixel_values"
    ][0]  # [views, 3, 56, 56]
    tower = backbone.model.model.vision_tower
    tower.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            alone = [tower(view[None], output_attentions=True).attentions[-1][0, :, 0, 1:] for view in views]
    finally:
        tower.set_attn_implementation("sdpa")
    tiling = Tiling.of((70, 90), backbone.model.model)
    expected = torch.cat(alone, 1)[:, tiling.patches]
    torch.testing.assert_close(tokens.signals["cls_attention:last"], expected, rtol=1e-4, atol=1e-5)
