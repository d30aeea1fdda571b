"""Colour as hue, saturation and value (Smith, SIGGRAPH 1978), plane by plane."""

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]  # [H, W]


def rgb_to_hsv(rgb: NDArray[np.float64]) -> tuple[Plane, Plane, Plane]:
    """Return hue, saturation, value in [0, 1] of rgb [H, W, 3] in [0, 1]; grey has hue and saturation 0.

    The order of operations matters down to the last bit: doubled saturation lands on whole grey levels, where
    the truncation to bytes turns a rounding error into a level. It is that of the usual six-sector algorithm,
    with ties between the largest channels going to the later one.
    """
    red, green, blue = np.moveaxis(rgb, 2, 0)
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    divisor = np.where(chroma == 0, 1, chroma)
    sector = np.where(
        blue == value,
        4 + (red - green) / divisor,
        np.where(green == value, 2 + (blue - red) / divisor, (green - blue) / divisor),
    )
    hue = np.where(chroma == 0, 0, sector / 6 % 1)
    return hue, chroma / np.where(value == 0, 1, value), value


def hsv_to_rgb(hue: Plane, saturation: Plane, value: Plane) -> NDArray[np.float64]:
    """Return rgb [H, W, 3] in [0, 1] of hue, saturation and value in [0, 1]."""
    sector = np.floor(hue * 6)
    fraction = hue * 6 - sector
    low = value * (1 - saturation)
    falling = value * (1 - fraction * saturation)
    rising = value * (1 - (1 - fraction) * saturation)
    which = sector.astype(np.intp) % 6
    red = np.choose(which, [value, falling, low, low, rising, value])
    green = np.choose(which, [rising, value, value, falling, low, low])
    blue = np.choose(which, [low, low, rising, value, value, falling])
    return np.stack([red, green, blue], axis=2)
