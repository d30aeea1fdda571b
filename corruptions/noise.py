"""Noise: sensor, photon and transmission errors."""

import numpy as np

from corruptions.images import RGB, to_bytes
from corruptions.registry import register


@register("gaussian_noise", family="noise", severity={"sigma": [0.08, 0.12, 0.18, 0.26, 0.38]})
def gaussian_noise(image: RGB, *, rng: np.random.RandomState, sigma: float) -> RGB:
    """Additive sensor noise: x + N(0, sigma²) per channel, x in [0, 1]."""
    noisy = rng.normal(scale=sigma, size=image.shape)  # [H, W, 3]
    noisy += image / 255.0
    return to_bytes(noisy)


@register("shot_noise", family="noise", severity={"photons": [60, 25, 12, 5, 3]})
def shot_noise(image: RGB, *, rng: np.random.RandomState, photons: float) -> RGB:
    """Photon counting: Poisson(x · photons) / photons, where ``photons`` is the mean count at full white."""
    return to_bytes(rng.poisson(image / 255.0 * photons) / photons)


@register("impulse_noise", family="noise", severity={"amount": [0.03, 0.06, 0.09, 0.17, 0.27]})
def impulse_noise(image: RGB, *, rng: np.random.RandomState, amount: float) -> RGB:
    """Salt and pepper: a share ``amount`` of all channel values becomes 0 or 255 with equal chance."""
    hit = rng.random_sample(image.shape) <= amount
    salt = rng.random_sample(image.shape) <= 0.5
    return np.where(hit, salt * np.uint8(255), image)


@register("speckle_noise", family="noise", severity={"sigma": [0.15, 0.2, 0.35, 0.45, 0.6]})
def speckle_noise(image: RGB, *, rng: np.random.RandomState, sigma: float) -> RGB:
    """Multiplicative noise: x + x · N(0, sigma²), which leaves black untouched."""
    noise = rng.normal(scale=sigma, size=image.shape)  # [H, W, 3]
    intensity = image / 255.0
    noise *= intensity
    noise += intensity
    return to_bytes(noise)
