"""Too little light, too much, and light of the wrong colour. Done in linear light, where a stop is a factor of 2."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import normal
from corruptions.images import RGB, bands
from corruptions.registry import register

READ_NOISE = 0.002  # of the sensor, as a share of full white


def to_linear(level: NDArray[np.floating]) -> NDArray[np.floating]:
    """Undo the transfer curve of sRGB (IEC 61966-2-1): encoded to linear, both in [0, 1]."""
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def to_encoded(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """Apply the transfer curve of sRGB: linear to encoded, both in [0, 1]."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


@lru_cache(maxsize=32)
def gain_table(gain: float) -> RGB:
    """Return [256]: what each level becomes when the light is multiplied by ``gain``."""
    light = to_linear(np.arange(256) / 255) * gain
    table = np.rint(to_encoded(np.clip(light, 0, 1)) * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


@register("underexposure", family="camera", severity={"stops": [1, 2, 3, 4, 5]})
def underexposure(image: RGB, *, stops: float) -> RGB:
    """``stops`` too few: an exact half of the light for each, without the noise of low light."""
    return gain_table(2.0**-stops)[image]


@register("overexposure", family="camera", severity={"stops": [0.5, 1, 1.75, 2.5, 3.5]})
def overexposure(image: RGB, *, stops: float) -> RGB:
    """``stops`` too many: twice the light for each, clipped at white."""
    return gain_table(2.0**stops)[image]


def sensor_noise(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw standard normal noise for every channel value [H, W, 3]."""
    return normal(rng, *image.shape)


@register(
    "low_light",
    family="camera",
    severity={"photons": [400, 150, 60, 25, 10], "brightness": [0.5, 0.4, 0.3, 0.25, 0.2]},
    shared=sensor_noise,
)
def low_light(image: RGB, *, shared: NDArray[np.float32], photons: float, brightness: float) -> RGB:
    """A night shot: ``photons`` at full white, their noise and the sensor's, shown at ``brightness`` of the light.

    The noise is normal with the variance of photon counting, light / photons, plus that of reading them out.
    """
    result, light_of = np.empty_like(image), to_linear(np.arange(256) / 255).astype(np.float32)
    for rows in bands(image):
        light = light_of[image[rows]]
        light += shared[rows] * np.sqrt(light / np.float32(photons) + np.float32(READ_NOISE**2))
        # A lookup in 4,096 steps of the square root: the transfer curve itself takes 10 times as long.
        step = np.sqrt(np.clip(light * np.float32(brightness), 0, 1)) * np.float32(4095)
        result[rows] = _encoded_roots()[step.astype(np.uint16)]
    return result


@lru_cache(maxsize=1)
def _encoded_roots() -> RGB:
    """Return [4096]: the level of the light (i / 4095)²."""
    return np.rint(to_encoded((np.arange(4096) / 4095) ** 2) * 255).astype(np.uint8)


def warm_or_cold(image: RGB, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw a direction of colour [3]: too warm or too cold, and some green or magenta."""
    return np.array([1, 0, -1]) * rng.choice([-1, 1]) + np.array([-0.5, 1, -0.5]) * rng.uniform(-0.4, 0.4)


@register(
    "colour_cast",
    family="camera",
    severity={"stops": [0.2, 0.4, 0.7, 1.0, 1.4]},
    shared=warm_or_cold,
)
def colour_cast(image: RGB, *, shared: NDArray[np.float64], stops: float) -> RGB:
    """A wrong white balance: red and blue up to ``stops`` too strong or too weak, in opposite directions."""
    channels = [gain_table(float(2 ** (stops * tint)))[image[:, :, c]] for c, tint in enumerate(shared)]
    return np.stack(channels, axis=2)
