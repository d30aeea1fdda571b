"""Occlusion, camera, transport and background."""

from itertools import pairwise

import numpy as np
import pytest

from corruptions import corrupt, ladder, names
from corruptions.background import without_objects
from corruptions.check_image import ellipse, scene
from corruptions.exposure import to_encoded, to_linear
from corruptions.quality import psnr
from corruptions.registry import find


@pytest.fixture
def image():
    return scene(96, 128)


@pytest.fixture
def mask():
    return ellipse(96, 128)


@pytest.mark.parametrize("name", names("occlusion"))
def test_what_a_severity_hides_the_next_hides_too(name, image, mask):
    hidden = [(level != image).any(axis=2) for level in ladder(image, name, key="k", mask=mask)]
    for less, more in pairwise(hidden):
        assert not (less & ~more).any()
        assert more.sum() > less.sum()


def test_boxes_cover_their_share_where_they_neither_overlap_nor_leave_the_image(image):
    boxes = np.column_stack([np.repeat([0.25, 0.75], 3), np.tile([1 / 6, 3 / 6, 5 / 6], 2), np.ones((6, 2))])
    occlusion = find("occlusion").apply
    for area in (0.05, 0.2):
        assert (occlusion(image, shared=boxes, area=area) == 128).all(axis=2).mean() == pytest.approx(
            area, rel=0.05
        )


def test_the_object_is_hidden_or_spared(image, mask):
    for severity, share in enumerate((0.2, 0.4, 0.6, 0.8, 1.0), start=1):
        over = corrupt(image, "occlude_object", severity, key="k", mask=mask)
        assert (over == 128).all(axis=2)[mask].mean() == pytest.approx(share, abs=0.05)
        beside = corrupt(image, "occlude_background", severity, key="k", mask=mask)
        assert np.array_equal(beside[mask], image[mask])
    nothing = np.zeros_like(mask)
    assert np.array_equal(corrupt(image, "occlude_object", 5, mask=nothing), image)


def test_a_quarter_turn_is_exact():
    image = scene(64, 64)
    turned = find("rotation").apply(image, shared=1, degrees=90.0)
    assert np.abs(turned.astype(int) - np.rot90(image)).max() <= 1
    ways = {corrupt(image, "rotation", 5, key=key).tobytes() for key in range(8)}
    assert len(ways) == 2


def test_a_stop_halves_the_light():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3).repeat(3, axis=0).repeat(3, axis=1)
    light = to_linear(levels / 255)
    assert np.allclose(to_encoded(light) * 255, levels, atol=1e-3)
    for name, stops in (("underexposure", -2.0), ("overexposure", 1.0)):
        expected = to_encoded(np.clip(light * 2**stops, 0, 1)) * 255
        assert np.abs(corrupt(levels, name, 2) - expected).max() <= 0.5 + 1e-3


def test_low_light_has_the_noise_of_photons():
    grey = np.full((200, 200, 3), 188, np.uint8)
    light = float(to_linear(np.array(188 / 255)))
    for severity, (photons, brightness) in enumerate(
        zip(*find("low_light").severity.values(), strict=True), start=1
    ):
        if photons < 60:
            continue  # at fewer photons the noise is clipped at black
        seen = to_linear(corrupt(grey, "low_light", severity) / 255)
        assert seen.mean() == pytest.approx(light * brightness, rel=0.03)
        assert seen.std() == pytest.approx(np.sqrt(light / photons) * brightness, rel=0.05)


def test_a_colour_cast_keeps_black_and_moves_red_against_blue():
    grey = np.zeros((32, 64, 3), np.uint8)
    grey[:, 32:] = 100
    for key in range(8):
        result = corrupt(grey, "colour_cast", 3, key=key).astype(int)
        assert not result[:, :32].any()
        red, _, blue = result[0, 40] - 100
        assert red * blue < 0


@pytest.mark.parametrize("name", ["jpeg2000_compression", "webp_compression", "resampling", "packet_loss"])
def test_the_way_costs_more_with_every_severity(name, image):
    decibels = [psnr(image, level) for level in ladder(image, name, key="k")]
    assert decibels == sorted(decibels, reverse=True)
    assert decibels[-1] < decibels[0] - 1


def test_a_lost_packet_shows_what_is_above(image):
    lost = np.full((6, 8), 0.9)
    lost[2, 3] = 0.0
    lost[0, 0] = 0.001
    result = find("packet_loss").apply(image, shared=lost, share=0.1)
    expected = image.copy()
    expected[32:48, 48:64] = image[16:32, 48:64]
    expected[:16, :16] = 128
    assert np.array_equal(result, expected)


def test_the_background_is_the_donor_and_the_object_stays(image, mask):
    donor = np.full((50, 200, 3), (10, 200, 30), np.uint8)
    result = corrupt(image, "background_swap", 5, mask=mask, donor=donor)
    assert np.array_equal(result[mask], image[mask])
    assert (result[:8, :8] == donor[0, 0]).all()
    halfway = corrupt(image, "background_swap", 2, mask=mask, donor=donor).astype(float)
    assert np.abs(halfway[:8, :8] - (0.6 * image[:8, :8] + 0.4 * donor[0, 0])).max() <= 0.5 + 1e-3


def test_a_lent_background_holds_no_object():
    image = np.full((80, 80, 3), (60, 120, 200), np.uint8)
    mask = ellipse(80, 80)
    image[mask] = (250, 0, 0)
    assert np.abs(without_objects(image, mask).astype(int) - (60, 120, 200)).max() <= 8
