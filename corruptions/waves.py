"""Periodic patterns laid over the image: three types of ImageNet-C-bar.

Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness"
(NeurIPS 2021). What its code gives in pixels of 224 is here relative to the shorter side.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.filters import spread
from corruptions.images import RGB, levels_to_bytes
from corruptions.registry import register

Field = NDArray[np.float32]  # [H, W]


def coordinates(image: RGB) -> tuple[Field, Field]:
    """Return rows [H, 1] and columns [1, W] as single-precision pixels."""
    height, width = image.shape[:2]
    return np.arange(height, dtype=np.float32)[:, np.newaxis], np.arange(width, dtype=np.float32)[np.newaxis]


def added(image: RGB, field: Field) -> RGB:
    """Return the image plus a field [H, W] of grey levels."""
    return levels_to_bytes(image + spread(field))


def grating(image: RGB, rng: np.random.RandomState) -> Field:
    """Draw a sine of one wave vector with components in (−π, π) and any phase."""
    y, x = coordinates(image)
    first = rng.uniform(-np.pi, np.pi)
    along, across = rng.permutation([first, rng.uniform(-abs(first), abs(first))])
    # sin(a + b) by the addition theorem: two sines per row and column instead of one per pixel.
    right, down = along * x + rng.uniform(0, 2 * np.pi), across * y
    return np.asarray(np.sin(right) * np.cos(down) + np.cos(right) * np.sin(down), np.float32)


@register(
    "single_frequency_greyscale",
    family="imagenet_c_bar",
    severity={"strength": [19.6, 29.4, 39.2, 88.2, 98]},
    shared=grating,
)
def single_frequency_greyscale(image: RGB, *, shared: Field, strength: float) -> RGB:
    """A plane wave of random direction and wavelength, of ``strength`` grey levels."""
    return added(image, np.float32(strength) * shared)


def rings(image: RGB, rng: np.random.RandomState) -> Field:
    """Draw saw-tooth rings around a random centre, their radius rippled with the angle; in (−0.5, 0.5)."""
    y, x = coordinates(image)
    side = min(image.shape[:2])
    down, right = y - rng.uniform(0, len(image)), x - rng.uniform(0, image.shape[1])
    ripples, amplitude, width = rng.uniform(0, [10, side / 10, side / 10])
    radius = np.hypot(down, right) + np.float32(amplitude) * np.sin(
        np.float32(ripples) * np.arctan2(down, right)
    )
    return np.asarray(radius / np.float32(width) % 1 - 0.5, np.float32)


@register(
    "cocentric_sine_waves",
    family="imagenet_c_bar",
    severity={"strength": [38.4, 64, 102.4, 115.2, 128]},
    shared=rings,
)
def cocentric_sine_waves(image: RGB, *, shared: Field, strength: float) -> RGB:
    """Concentric rippled rings, ``strength`` grey levels from their darkest to their brightest."""
    return added(image, np.float32(strength) * shared)


def plasma_colours(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw a warped interference pattern [H, W, 3] in [−1, 1]."""
    time, sharpness, scale = rng.uniform([0, 0.5, 0.075], [6 * np.pi, 1, 0.2])
    steps = rng.randint(4, 7)
    y, x = np.broadcast_arrays(
        *(axis / np.float32(scale * min(image.shape[:2])) for axis in coordinates(image))
    )
    for step in range(steps):
        pitch, lag, damping = 1.93**step, time / 1.15**step, (2.25 - sharpness) ** step
        pulled_x = np.cos(np.float32(pitch) * y + np.float32(lag)) / np.float32(damping)
        pulled_y = np.sin(np.float32(pitch) * x + np.float32(lag)) / np.float32(damping)
        x, y = x + (pulled_x - np.float32(0.3) * pulled_y), y + (pulled_y + np.float32(0.3) * pulled_x)
    time = np.float32(time)
    waves = (x - time, (x + y + np.sin(time)) * np.float32(0.5), y + time)
    return np.asarray(cv2.merge([np.sin(wave) for wave in waves]), np.float32)


@register(
    "plasma_noise",
    family="imagenet_c_bar",
    severity={"strength": [30.4, 44.8, 54.4, 59.2, 64]},
    shared=plasma_colours,
)
def plasma_noise(image: RGB, *, shared: NDArray[np.float32], strength: float) -> RGB:
    """Psychedelic colours of ``strength`` grey levels over an image dimmed by as much."""
    levels = cv2.addWeighted(image.astype(np.float32), 1 - strength / 255, shared, strength, 0)
    return levels_to_bytes(np.asarray(levels, np.float32))
