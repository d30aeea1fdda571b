from typing import Any

import numpy as np
import pytest

from robust_atp.errors import UserError
from robust_atp.probes.controls import CONTROLS, asks_for, control


@pytest.fixture
def image() -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (61, 100, 3), dtype=np.uint8)
    pixels.setflags(write=False)
    return pixels


def beside(name: str, image: np.ndarray) -> dict[str, Any]:
    """What a control needs beside the image."""
    mask = np.zeros(image.shape[:2], bool)
    mask[20:40, 30:60] = True
    return {"mask": mask} if "mask" in asks_for(name) else {}


@pytest.mark.parametrize("name", CONTROLS.names())
class TestEveryControl:
    def test_keeps_shape_and_type_and_leaves_its_input_alone(self, image: np.ndarray, name: str) -> None:
        result = control(image, name, **beside(name, image))
        assert (result.shape, result.dtype) == (image.shape, np.uint8)
        assert not np.shares_memory(result, image)

    def test_shows_something_else(self, image: np.ndarray, name: str) -> None:
        assert not np.array_equal(control(image, name, **beside(name, image)), image)

    def test_depends_on_its_arguments_alone(self, image: np.ndarray, name: str) -> None:
        others = beside(name, image)
        first = control(image, name, seed=1, key="a", **others)
        np.random.seed(0)  # noqa: NPY002 (to show that global state does not matter)
        assert np.array_equal(control(image, name, seed=1, key="a", **others), first)


def test_blank_is_the_mean_colour(image: np.ndarray) -> None:
    assert np.abs(control(image, "blank") - image.mean(axis=(0, 1))).max() <= 0.5


def test_removing_objects_changes_nothing_around_them(image: np.ndarray) -> None:
    mask = beside("objects-removed", image)["mask"]
    result = control(image, "objects-removed", mask=mask)
    assert np.array_equal(result[~mask], image[~mask])
    plain = np.full_like(image, 90)
    plain[mask] = 255
    assert np.abs(control(plain, "objects-removed", mask=mask).astype(int) - 90).max() < 10  # bleeds a little


def test_shuffled_moves_whole_blocks_and_loses_none(image: np.ndarray) -> None:
    def blocks(pixels: np.ndarray) -> list[bytes]:
        return [pixels[y : y + 4, x : x + 7].tobytes() for y in range(0, 56, 4) for x in range(0, 98, 7)]

    result = control(image, "shuffled", key="a")
    assert sorted(blocks(result)) == sorted(blocks(image))
    assert sum(a == b for a, b in zip(blocks(result), blocks(image), strict=True)) < 10
    assert np.array_equal(result[56:], image[56:])
    assert np.array_equal(result[:, 98:], image[:, 98:])


def test_shuffled_differs_between_images_and_seeds(image: np.ndarray) -> None:
    results = {control(image, "shuffled", seed=s, key=k).tobytes() for s in (0, 1) for k in ("a", "b")}
    assert len(results) == 4


def test_shuffled_is_the_same_in_every_release() -> None:
    image = np.arange(14 * 14 * 3, dtype=np.uint16).astype(np.uint8).reshape(14, 14, 3)
    assert control(image, "shuffled", seed=0, key="vqav2/1")[0, :4, 0].tolist() == [73, 90, 119, 107]


def test_an_unknown_control() -> None:
    with pytest.raises(UserError, match=r"control 'blanc' is not one of: .*\(did you mean 'blank'\?\)"):
        control(np.zeros((32, 32, 3), np.uint8), "blanc")
