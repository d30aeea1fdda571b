"""Weather: snow, frost, fog, light and splashes."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from corruptions.filters import line_blur, zoomed
from corruptions.images import RGB, to_bytes
from corruptions.plasma import plasma
from corruptions.registry import register
from corruptions.textures import FROST, frost_photo, frost_photo_resized

PALE_TURQUOISE = np.array([175, 238, 238], np.float32) / np.float32(255)
MUD_BROWN = np.array([63, 42, 20]) / 255.0


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
)
def snow(
    image: RGB,
    *,
    rng: np.random.RandomState,
    mean: float,
    sigma: float,
    zoom: float,
    threshold: float,
    radius: int,
    blur: float,
    keep: float,
) -> RGB:
    """Flakes: thresholded noise, enlarged and smeared, laid over a whitened image, once more upside down."""
    height, width = image.shape[:2]
    flakes = zoomed(rng.normal(mean, sigma, size=(height, width)), zoom)  # a little larger than [H, W]
    flakes[flakes < threshold] = 0
    flakes = line_blur(flakes.clip(0, 1), radius, blur, angle=rng.uniform(-135, -45))
    layer = (np.round(flakes * 255).astype(np.uint8) / 255.0)[:height, :width]  # [H, W]
    intensity = image.astype(np.float32) / np.float32(255)
    grey = cv2.cvtColor(intensity, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
    whitened = keep * intensity + (1 - keep) * np.maximum(intensity, grey * 1.5 + 0.5)
    return to_bytes(whitened + (layer + np.rot90(layer, 2))[:, :, np.newaxis])


@register(
    "frost",
    family="weather",
    severity={"image_weight": [1, 0.8, 0.7, 0.65, 0.6], "frost_weight": [0.4, 0.6, 0.7, 0.7, 0.75]},
)
def frost(image: RGB, *, rng: np.random.RandomState, image_weight: float, frost_weight: float) -> RGB:
    """Ice on the lens: a weighted sum of the image and a random crop of a photograph of frost."""
    height, width = image.shape[:2]
    index = rng.randint(len(FROST))
    photo_height, photo_width = frost_photo(index).shape[:2]
    scale = 1.1 * max(1, height / photo_height, width / photo_width)
    photo = frost_photo_resized(index, math.ceil(photo_height * scale), math.ceil(photo_width * scale))
    top, left = rng.randint(photo.shape[0] - height), rng.randint(photo.shape[1] - width)
    crop = photo[top : top + height, left : left + width]  # [H, W, 3]
    # All 256 x 256 sums at once: exact, and cheaper than floating-point work on every pixel.
    levels = np.arange(256)
    sums = np.clip(image_weight * levels[:, np.newaxis] + frost_weight * levels, 0, 255).astype(np.uint8)
    return sums.take(image.astype(np.uint16) << 8 | crop)


@register(
    "fog",
    family="weather",
    severity={"strength": [1.5, 2, 2.5, 2.5, 3], "decay": [2, 2, 1.7, 1.5, 1.4]},
)
def fog(image: RGB, *, rng: np.random.RandomState, strength: float, decay: float) -> RGB:
    """Fog banks: a plasma fractal added to the image, scaled back to its maximum (black stays black)."""
    height, width = image.shape[:2]
    side = 1 << (max(height, width) - 1).bit_length()
    banks = plasma(side, decay, rng)[:height, :width, np.newaxis]
    intensity = image / 255.0
    peak = intensity.max()
    intensity += strength * banks
    intensity *= peak
    intensity /= peak + strength
    return to_bytes(intensity)


@register("brightness", family="weather", severity={"lift": [0.1, 0.2, 0.3, 0.4, 0.5]})
def brightness(image: RGB, *, lift: float) -> RGB:
    """More light: V of HSV plus ``lift``, clipped at 1; hue and saturation are kept, black turns grey."""
    red, green, blue = np.moveaxis(image, 2, 0)
    value = np.maximum(np.maximum(red, green), blue)  # 30 times as fast as image.max(axis=2)
    return _lifted(lift).take(value[:, :, np.newaxis].astype(np.uint16) << 8 | image)


def _lifted(lift: float) -> RGB:
    """Return [V, x]: what a channel x of a pixel with largest channel V becomes.

    With hue and saturation x / V is kept, so two bytes decide: V' · (1 − (V − x) / V), V' = min(V + lift, 1).
    """
    level = np.arange(256) / 255.0
    value, channel = level[:, np.newaxis], level
    lifted = np.clip(value + lift, 0, 1)
    shortfall = (value - channel) / np.maximum(value, level[1])
    return to_bytes(lifted * (1 - shortfall))


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
)
def spatter(
    image: RGB,
    *,
    rng: np.random.RandomState,
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
    splash = gaussian_filter(rng.normal(mean, sigma, size=image.shape[:2]), blur, mode="nearest")  # [H, W]
    splash[splash < threshold] = 0
    intensity = image.astype(np.float32) / np.float32(255)
    if liquid == "water":
        drops = _drops((splash * 255).astype(np.uint8)) * np.float32(strength)
        return to_bytes(intensity + drops[:, :, np.newaxis] * PALE_TURQUOISE)
    mud = gaussian_filter((splash > threshold).astype(np.float32), strength, mode="nearest")
    mud[mud < 0.8] = 0
    cover = mud[:, :, np.newaxis]
    return to_bytes(intensity * (1 - cover) + MUD_BROWN * cover)


def _drops(splash: RGB) -> NDArray[np.float32]:
    """Return [H, W] in [0, 1]: the light in each drop, embossed by the distance to its outline."""
    to_outline = cv2.distanceTransform(255 - cv2.Canny(splash, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(to_outline, 20), (3, 3)).astype(np.uint8)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, emboss), (3, 3))
    light = splash * relief.astype(np.float32)
    # Small images may catch no drop at all.
    return light / max(light.max(), np.float32(1))
