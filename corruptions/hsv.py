"""Colour as hue, saturation and value (Smith, SIGGRAPH 1978), plane by plane."""

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.images import RGB, bands

Plane = NDArray[np.float64]  # [H, W], or three of them


def rgb_to_hsv(image: RGB) -> Plane:
    """Return hue, saturation and value in [0, 1] as [3, H, W] of uint8 [H, W, 3]; grey has hue and saturation 0."""
    planes = np.empty((3, *image.shape[:2]))
    for rows in bands(image):
        planes[:, rows] = _to_hsv(image[rows])
    return planes


def hsv_to_rgb(planes: Plane, scale: float, offset: float) -> RGB:
    """Return uint8 [H, W, 3], truncated, of [3, H, W] with saturation · ``scale`` + ``offset``, clipped to [0, 1]."""
    image = np.empty((*planes.shape[1:], 3), np.uint8)
    for rows in bands(image):
        hue, saturation, value = planes[:, rows]
        image[rows] = _to_rgb(hue, np.clip(saturation * scale + offset, 0, 1), value)
    return image


def _to_hsv(image: RGB) -> list[Plane]:
    """Convert by the usual six-sector algorithm, with ties between the largest channels going to the later one.

    The order of operations matters down to the last bit: doubled saturation lands on whole grey levels, where
    the truncation to bytes turns a rounding error into a level. What is decided by comparing channels is
    decided on bytes, at an eighth of the memory.
    """
    red, green, blue = cv2.split(image)
    largest = cv2.max(cv2.max(red, green), blue)
    is_blue, is_green = blue == largest, green == largest
    after = np.where(is_blue, red, np.where(is_green, blue, green)) / 255.0
    before = np.where(is_blue, green, np.where(is_green, red, blue)) / 255.0
    start = np.where(is_blue, np.uint8(4), np.where(is_green, np.uint8(2), np.uint8(0)))
    value = np.divide(largest, 255.0, dtype=np.float64)
    chroma = value - cv2.min(cv2.min(red, green), blue) / 255.0
    hue = (start + (after - before) / np.where(chroma == 0, 1, chroma)) / 6
    hue += hue < 0
    hue *= chroma != 0
    return [hue, np.divide(chroma, np.where(largest == 0, 1, value)), value]


def _to_rgb(hue: Plane, saturation: Plane, value: Plane) -> RGB:
    """Convert back: in each of the six sectors of hue one channel is ``value``, one the lowest, one between."""
    sector = np.floor(hue * 6)
    fraction = hue * 6 - sector
    which = sector.astype(np.uint8) % 6
    falling = np.where(which % 2, fraction, 1 - fraction)
    top, middle, low = (
        (level * 255).astype(np.uint8)
        for level in (value, value * (1 - falling * saturation), value * (1 - saturation))
    )
    # Red is at the top in sectors 5 and 0 and lowest in 2 and 3; green is two sectors later, blue four.
    turned = (which, (which + 4) % 6, (which + 2) % 6)
    return np.stack(
        [np.where(t % 5 == 0, top, np.where((t == 2) | (t == 3), low, middle)) for t in turned], axis=2
    )
