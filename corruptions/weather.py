"""Weather: snow, frost, fog, light and splashes."""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.draws import normal
from corruptions.filters import line_kernel, sparse_filter, spread, zoomed
from corruptions.images import RGB, Levels, levels_to_bytes, lookup_pairs, to_bytes
from corruptions.plasma import Wobble, plasma, plasma_draws
from corruptions.registry import register
from corruptions.textures import FROST, frost_photo, frost_photo_resized

PALE_TURQUOISE = np.array([175, 238, 238], np.float32) / np.float32(255)
MUD_BROWN = np.array([63, 42, 20], np.float32)


def normal_plane(image: RGB, rng: np.random.RandomState) -> Levels:
    """Draw standard normal noise for every pixel [H, W]."""
    return normal(rng, *image.shape[:2])


def flakes_and_wind(image: RGB, rng: np.random.RandomState) -> tuple[Levels, float]:
    """Draw standard normal noise [H, W] and the direction in which it falls, in degrees."""
    return normal(rng, *image.shape[:2]), rng.uniform(-135, -45)


@register(
    "snow",
    family="weather",
    severity={
        "mean": [0.1, 0.2, 0.55, 0.55, 0.55],
        "sigma": [0.3, 0.3, 0.3, 0.3, 0.3],
        "zoom": [3, 2, 4, 4.5, 2.5],
        "threshold": [0.5, 0.5, 0.9, 0.85, 0.85],
        "radius": [10, 12, 12, 12, 12],
        "blur": [4, 4, 8, 8, 12],
        "keep": [0.8, 0.7, 0.7, 0.65, 0.55],
    },
    version=2,
    shared=flakes_and_wind,
)
def snow(
    image: RGB,
    *,
    shared: tuple[Levels, float],
    mean: float,
    sigma: float,
    zoom: float,
    threshold: float,
    radius: int,
    blur: float,
    keep: float,
) -> RGB:
    """Flakes: thresholded noise, enlarged and smeared, laid over a whitened image, once more upside down."""
    field, angle = shared
    height, width = image.shape[:2]
    flakes = zoomed(mean + sigma * field, zoom)  # a little larger than [H, W]
    flakes *= flakes >= threshold
    rows, columns, weights = line_kernel(radius, blur, angle, flakes.shape)
    flakes = sparse_filter(flakes.clip(0, 1), rows, columns, weights, cv2.BORDER_REPLICATE)
    layer = np.rint(flakes[:height, :width] * 255)  # [H, W]
    levels = image.astype(np.float32)
    grey = np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), np.float32)
    whitened = np.maximum(levels, spread(np.float32(1.5) * grey + np.float32(127.5)))
    snowy = np.asarray(cv2.addWeighted(levels, keep, whitened, 1 - keep, 0), np.float32)
    snowy += spread(layer + np.rot90(layer, 2))
    return levels_to_bytes(snowy)


def frost_crop(image: RGB, rng: np.random.RandomState) -> RGB:
    """Draw one of the photographs of frost and a place in it: [H, W, 3]."""
    height, width = image.shape[:2]
    index = rng.randint(len(FROST))
    photo_height, photo_width = frost_photo(index).shape[:2]
    scale = 1.1 * max(1, height / photo_height, width / photo_width)
    photo = frost_photo_resized(index, math.ceil(photo_height * scale), math.ceil(photo_width * scale))
    top, left = rng.randint(photo.shape[0] - height), rng.randint(photo.shape[1] - width)
    return photo[top : top + height, left : left + width]


@register(
    "frost",
    family="weather",
    severity={"image_weight": [1, 0.8, 0.7, 0.65, 0.6], "frost_weight": [0.4, 0.6, 0.7, 0.7, 0.75]},
    shared=frost_crop,
)
def frost(image: RGB, *, shared: RGB, image_weight: float, frost_weight: float) -> RGB:
    """Ice on the lens: a weighted sum of the image and a random crop of a photograph of frost."""
    return lookup_pairs(_weighted_sums(image_weight, frost_weight), image, shared)


@lru_cache(maxsize=8)
def _weighted_sums(image_weight: float, frost_weight: float) -> RGB:
    """Return [256 · 256]: all sums of two levels, exact and cheaper than arithmetic on every pixel."""
    levels = np.arange(256)
    sums = np.clip(image_weight * levels[:, np.newaxis] + frost_weight * levels, 0, 255)
    return sums.astype(np.uint8).ravel()


def fog_draws(image: RGB, rng: np.random.RandomState) -> list[Wobble]:
    """Draw what the height map of the fog is made of: a square that covers the image."""
    return plasma_draws(1 << (max(image.shape[:2]) - 1).bit_length(), rng)


@register(
    "fog",
    family="weather",
    severity={"strength": [1.5, 2, 2.5, 2.5, 3], "decay": [2, 2, 1.7, 1.5, 1.4]},
    version=2,
    shared=fog_draws,
)
def fog(image: RGB, *, shared: list[Wobble], strength: float, decay: float) -> RGB:
    """Fog banks: a plasma fractal added to the image, scaled back to its maximum (black stays black)."""
    height, width = image.shape[:2]
    banks = np.ascontiguousarray(plasma(shared, decay)[:height, :width])
    peak = float(image.max()) / 255
    scale = peak / (peak + strength)
    fogged = cv2.addWeighted(image.astype(np.float32), scale, spread(banks), 255 * strength * scale, 0)
    return levels_to_bytes(np.asarray(fogged, np.float32))


@register("brightness", family="weather", severity={"lift": [0.1, 0.2, 0.3, 0.4, 0.5]})
def brightness(image: RGB, *, lift: float) -> RGB:
    """More light: V of HSV plus ``lift``, clipped at 1; hue and saturation are kept, black turns grey."""
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)  # 30 times as fast as image.max(axis=2)
    return lookup_pairs(_lifted(lift), np.asarray(cv2.merge([value, value, value]), np.uint8), image)


@lru_cache(maxsize=8)
def _lifted(lift: float) -> RGB:
    """Return [256 · 256]: what a channel x of a pixel with largest channel V becomes, at 256 V + x.

    With hue and saturation x / V is kept, so two bytes decide: V' · (1 − (V − x) / V), V' = min(V + lift, 1).
    """
    level = np.arange(256) / 255.0
    value, channel = level[:, np.newaxis], level
    lifted = np.clip(value + lift, 0, 1)
    shortfall = (value - channel) / np.maximum(value, level[1])
    return to_bytes(lifted * (1 - shortfall)).ravel()


@register(
    "spatter",
    family="weather",
    severity={
        "liquid": ["water", "water", "water", "mud", "mud"],
        "mean": [0.65, 0.65, 0.65, 0.65, 0.67],
        "sigma": [0.3, 0.3, 0.3, 0.3, 0.4],
        "blur": [4, 3, 2, 1, 1],
        "threshold": [0.69, 0.68, 0.68, 0.65, 0.65],
        "strength": [0.6, 0.6, 0.5, 1.5, 1.5],
    },
    version=2,
    shared=normal_plane,
)
def spatter(
    image: RGB,
    *,
    shared: Levels,
    liquid: str,
    mean: float,
    sigma: float,
    blur: float,
    threshold: float,
    strength: float,
) -> RGB:
    """Splashes on the lens: translucent drops of water (severity 1 to 3) or opaque mud (4 and 5).

    ``strength`` is the opacity of water, and for mud the sigma in px that smooths its outline.
    """
    splash = _blurred(mean + sigma * shared, blur)  # [H, W]
    splash *= splash >= threshold
    levels = image.astype(np.float32)
    if liquid == "water":
        drops = _drops((splash * 255).astype(np.uint8)) * np.float32(255 * strength)
        levels += cv2.merge([drops * light for light in PALE_TURQUOISE])
        return levels_to_bytes(levels)
    mud = _blurred((splash > threshold).astype(np.float32), strength)
    mud *= mud >= np.float32(0.8)
    levels *= spread(1 - mud)
    levels += cv2.merge([mud * brown for brown in MUD_BROWN])
    return levels_to_bytes(levels)


def _blurred(plane: Levels, sigma: float) -> Levels:
    side = 2 * int(4 * sigma + 0.5) + 1
    return np.asarray(
        cv2.GaussianBlur(plane, (side, side), sigma, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _drops(splash: RGB) -> NDArray[np.float32]:
    """Return [H, W] in [0, 1]: the light in each drop, embossed by the distance to its outline."""
    to_outline = cv2.distanceTransform(255 - cv2.Canny(splash, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(to_outline, 20), (3, 3)).astype(np.uint8)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, emboss), (3, 3))
    light = splash * relief.astype(np.float32)
    # Small images may catch no drop at all.
    return light / max(light.max(), np.float32(1))
