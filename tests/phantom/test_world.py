from collections import Counter

import numpy as np
import pytest

from robust_atp.phantom.render import render
from robust_atp.phantom.world import CUE, SHAPES, SIZE, WORLDS, sample_scene, stream


def test_scenes_depend_on_their_key_alone() -> None:
    forwards = [sample_scene("neutral", index) for index in range(20)]
    backwards = [sample_scene("neutral", index) for index in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert len({scene.texture_seed for scene in forwards}) == 20


def test_streams_are_frozen() -> None:
    """A new NumPy that drew other numbers would silently change every held-out scene."""
    assert stream("scene", "neutral", 0, 0).randint(2**31 - 1, size=3).tolist() == [
        155752356,
        1085577682,
        1730826058,
    ]


@pytest.mark.parametrize("world", WORLDS)
def test_the_background_gives_the_shape_away_as_often_as_planted(world: str) -> None:
    scenes = [sample_scene(world, index) for index in range(2000)]
    planted = WORLDS[world]
    expected = 1 / len(CUE) if planted is None else planted
    share = np.mean([scene.aligned for scene in scenes])
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000)


def test_the_neutral_background_tells_nothing_about_the_shape() -> None:
    counts = Counter(
        (scene.background, scene.objects[0].shape)
        for scene in (sample_scene("neutral", i) for i in range(3600))
    )
    assert len(counts) == len(CUE) * len(SHAPES)
    chi_square = sum((counts[b, s] - 100) ** 2 / 100 for b in CUE for s in SHAPES)
    assert chi_square < 75  # 35 degrees of freedom: p = 1e-4


def test_the_target_is_the_only_object_of_its_colour() -> None:
    for index in range(300):
        target, *others = sample_scene("balanced", index).objects
        assert target.colour not in {other.colour for other in others}


def test_masks_cover_their_objects_and_never_each_other() -> None:
    for index in range(30):
        scene = sample_scene("balanced", index)
        image, masks = render(scene)
        assert image.shape == (SIZE, SIZE, 3)
        assert image.dtype == np.uint8
        assert masks.shape == (len(scene.objects), SIZE, SIZE)
        assert masks.sum(0).max() == 1
        for item, mask in zip(scene.objects, masks, strict=True):
            rows, columns = np.nonzero(mask)
            assert abs(columns.mean() - item.x) < 3
            assert abs(rows.mean() - item.y) < 4  # a triangle's centre of mass lies below its centre
            assert (
                0.25 < mask.sum() / (np.pi * item.radius**2) < 1.05
            )  # the rim of a circle is counted in whole pixels


def test_objects_are_painted_where_their_masks_are() -> None:
    scene = sample_scene("balanced", 3)
    image, masks = render(scene)
    empty, _ = render(type(scene)((), scene.background, scene.texture_seed))
    changed = (image != empty).any(-1)
    assert (masks.any(0) & ~changed).sum() == 0
    assert (changed & ~masks.any(0)).sum() < 0.25 * masks.sum()  # the anti-aliased rim
