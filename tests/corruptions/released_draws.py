"""Ours and the released package on the same draws.

Types that draw from ``rng`` themselves get the released package's random state; those that draw ahead (``shared``)
get what that package draws, in its order and our units.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.images import to_rgb
from corruptions.registry import find
from tests.corruptions.corruption_oracle import released

Image = NDArray[np.uint8]

# They draw something else than the released package does.
OWN_DRAWS = ("impulse_noise", "shot_noise")


def values(image: Image, rng: np.random.RandomState) -> NDArray[np.float32]:
    return rng.normal(size=image.shape).astype(np.float32)


def plane(image: Image, rng: np.random.RandomState) -> NDArray[np.float32]:
    return rng.normal(size=image.shape[:2]).astype(np.float32)


def squares(image: Image, rng: np.random.RandomState) -> list[tuple[NDArray[np.float32], ...]]:
    sizes = [1 << level for level in range((max(image.shape[:2]) - 1).bit_length())]
    return [tuple(rng.uniform(-1, 1, (n, n)).astype(np.float32) for _ in range(3)) for n in sizes]


DRAWS: dict[str, Callable[[Image, np.random.RandomState], Any]] = {
    "gaussian_noise": values,
    "speckle_noise": values,
    "spatter": plane,
    "snow": lambda image, rng: (plane(image, rng), rng.uniform(-135, -45)),
    "fog": squares,
    "elastic_transform": lambda image, rng: [
        rng.uniform(-1, 1, image.shape[:2]).astype(np.float32) for _ in "xy"
    ],
}


def both(image: Image, name: str, severity: int, key: int = 3) -> tuple[Image, Image]:
    """Return what we and what the released package make of an image."""
    corruption = find(name)
    parameters = corruption.parameters(severity)
    rng = np.random.RandomState(np.random.Philox(key=key))
    pixels = to_rgb(image)
    if name in DRAWS:
        parameters["shared"] = DRAWS[name](pixels, rng)
    elif corruption.shared is not None:
        parameters["shared"] = corruption.shared(pixels, **({"rng": rng} if corruption.random else {}))
    elif corruption.random:
        parameters["rng"] = rng
    ours = corruption.apply(pixels, **parameters)
    return ours, released(image, name, severity, np.random.RandomState(np.random.Philox(key=key)))
