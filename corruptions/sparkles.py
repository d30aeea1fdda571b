"""Stars of light: the two of ImageNet-C-bar.

Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness"
(NeurIPS 2021).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.filters import spread
from corruptions.images import RGB, levels_to_bytes
from corruptions.registry import register
from corruptions.waves import Field, coordinates

STARS = 5


@dataclass(frozen=True)
class Star:
    """Rays around a point: for each pixel the squared distance, the relative length of its ray, and its brilliance.

    The length is 1 on average; brilliance is 1 in the middle of a ray and 3/4 between two.
    """

    distance: Field  # px², [H, W]
    length: Field
    brilliance: Field

    def light(self, radius: float, falloff: float) -> Field:
        """Return [H, W] in [0, 1]: (length · radius / distance)^(2 · falloff), faded between the rays."""
        reach = np.maximum(1, np.float32(radius) * self.length)
        strength = (reach * reach / (self.distance + np.float32(1e-4))) ** np.float32(falloff)
        return np.clip(self.brilliance * strength, 0, 1)


def star(image: RGB, centre: NDArray[np.float64], rng: np.random.RandomState) -> Star:
    """Draw 50 to 199 rays around ``centre`` (a share of height and width), their lengths N(1, 0.25²)."""
    y, x = coordinates(image)
    down, right = y - np.float32(centre[0] * len(image)), x - np.float32(centre[1] * image.shape[1])
    lengths = 1 + 0.25 * rng.normal(size=rng.randint(50, 200)).astype(np.float32)
    turn = (np.arctan2(right, down) + np.float32(np.pi)) * np.float32(len(lengths) / (2 * np.pi))
    ray = turn.astype(np.intp)
    share = turn - ray.astype(np.float32)
    ray %= len(lengths)
    length = lengths[ray] + share * (np.roll(lengths, -1)[ray] - lengths[ray])
    return Star(down * down + right * right, length, 1 - (share - np.float32(0.5)) ** 2)


def five_stars(image: RGB, rng: np.random.RandomState) -> list[Star]:
    """Draw five stars anywhere in the image."""
    return [star(image, rng.random_sample(2), rng) for _ in range(STARS)]


@register(
    "sparkles",
    family="imagenet_c_bar",
    severity={"radius": [0.01, 0.02, 0.03, 0.05, 0.06]},
    shared=five_stars,
)
def sparkles(image: RGB, *, shared: list[Star], radius: float) -> RGB:
    """Five bright stars, ``radius`` being a share of the shorter side."""
    dark = np.ones(image.shape[:2], np.float32)
    for one in shared:
        dark *= 1 - one.light(radius * min(image.shape[:2]), falloff=1)
    return _towards_white(image, dark)


def one_star(image: RGB, rng: np.random.RandomState) -> Star:
    """Draw a star in the inner half of the image."""
    return star(image, rng.uniform(0.25, 0.75, 2), rng)


@register(
    "inverse_sparkles",
    family="imagenet_c_bar",
    severity={"falloff": [0.13, 0.26, 0.52, 1.17, 1.3], "radius": [0.25] * 5},
    shared=one_star,
)
def inverse_sparkles(image: RGB, *, shared: Star, falloff: float, radius: float) -> RGB:
    """A star-shaped hole in white light: the image fades with the distance from a point."""
    return _towards_white(image, shared.light(radius * min(image.shape[:2]), falloff))


def _towards_white(image: RGB, kept: Field) -> RGB:
    """Return the image where ``kept`` [H, W] is 1 and white where it is 0."""
    return levels_to_bytes(255 - (255 - image) * spread(kept))
