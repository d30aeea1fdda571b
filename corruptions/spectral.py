"""Noise with a spectrum of its own: the blue and the brownish noise of ImageNet-C-bar.

Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness"
(NeurIPS 2021). Sizes are relative to the image, as its code has them at 224 px.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2

from corruptions.draws import uniform
from corruptions.images import RGB, levels_to_bytes
from corruptions.registry import register


def spectral_noise(
    amplitude: NDArray[np.float32], width: int, rng: np.random.RandomState
) -> NDArray[np.float32]:
    """Return real noise [H, W] of standard deviation 1 with random phases; ``amplitude``: [H, W // 2 + 1]."""
    phase = np.float32(np.pi) * uniform(rng, *amplitude.shape)
    spectrum = amplitude * (np.cos(phase) + 1j * np.sin(phase)).astype(np.complex64)
    noise = irfft2(spectrum, s=(len(amplitude), width))
    return np.asarray(noise / noise.std(), np.float32)


def frequency(height: int, width: int) -> NDArray[np.float32]:
    """Return the length of the wave vector in periods per shorter side, [H, W // 2 + 1]."""
    side = min(height, width)
    down, right = side * np.fft.fftfreq(height), side * np.fft.rfftfreq(width)
    return np.hypot(down[:, np.newaxis], right).astype(np.float32)


def blue_noise(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw noise [H, W] whose amplitude grows with frequency."""
    return spectral_noise(frequency(*image.shape[:2]), image.shape[1], rng)


@register(
    "blue_noise_sample",
    family="imagenet_c_bar",
    severity={"threshold": [-2.26, -2.02, -1.78, -1.3, -0.82]},
    shared=blue_noise,
)
def blue_noise_sample(image: RGB, *, shared: NDArray[np.float32], threshold: float) -> RGB:
    """Dead pixels, evenly spread: black where blue noise of deviation 1 is below ``threshold``."""
    return image * (shared > threshold)[:, :, np.newaxis]


def brown_noise(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw noise [H, W, 3] whose amplitude falls with the square of frequency."""
    amplitude = np.float32(1) / (frequency(*image.shape[:2]) ** 2 + 1)
    return np.asarray(
        cv2.merge([spectral_noise(amplitude, image.shape[1], rng) for _ in range(3)]), np.float32
    )


@register(
    "brownish_noise",
    family="imagenet_c_bar",
    severity={"strength": [6.4, 12.8, 19.2, 25.6, 32]},
    shared=brown_noise,
)
def brownish_noise(image: RGB, *, shared: NDArray[np.float32], strength: float) -> RGB:
    """Coloured clouds: noise of ``strength`` grey levels whose amplitude falls with the square of frequency."""
    return levels_to_bytes(image + np.float32(strength) * shared)
