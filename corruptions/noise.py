"""Noise: sensor, photon and transmission errors."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from corruptions.draws import LEVELS, normal, words
from corruptions.images import RGB, bands, levels_to_bytes
from corruptions.registry import register

COUNTS = 1 << 12  # quantiles of a photon count; the table of all 256 grey levels then stays in the cache


def normal_field(image: RGB, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Draw standard normal noise for every channel value [H, W, 3]."""
    return normal(rng, *image.shape)


def word_field(image: RGB, rng: np.random.RandomState) -> NDArray[np.uint16]:
    """Draw a uniform 16-bit integer for every channel value [H, W, 3]."""
    return words(rng, *image.shape)


@register(
    "gaussian_noise",
    family="noise",
    severity={"sigma": [0.08, 0.12, 0.18, 0.26, 0.38]},
    version=2,
    shared=normal_field,
)
def gaussian_noise(image: RGB, *, shared: NDArray[np.float32], sigma: float) -> RGB:
    """Additive sensor noise: x + N(0, sigma²) per channel, x in [0, 1]."""
    noisy = np.empty_like(image)
    for rows in bands(image):
        levels = shared[rows] * np.float32(255 * sigma)
        levels += image[rows]
        noisy[rows] = levels_to_bytes(levels)
    return noisy


@register(
    "shot_noise", family="noise", severity={"photons": [60, 25, 12, 5, 3]}, version=2, shared=word_field
)
def shot_noise(image: RGB, *, shared: NDArray[np.uint16], photons: float) -> RGB:
    """Photon counting: Poisson(x · photons) / photons, where ``photons`` is the mean count at full white."""
    table, noisy = photon_levels(photons), np.empty_like(image)
    for rows in bands(image):
        index = image[rows].astype(np.intp)
        index *= COUNTS
        index += shared[rows] >> 4
        noisy[rows] = table.take(index)
    return noisy


@lru_cache(maxsize=8)
def photon_levels(photons: float) -> RGB:
    """Return [256 · COUNTS]: the level that grey level g becomes at the quantile (q + 1/2) / COUNTS."""
    largest = int(photons + 12 * np.sqrt(photons) + 12)
    means = np.arange(256)[:, np.newaxis] / 255.0 * photons
    # A quantile counts the values of the distribution function below it.
    steps = np.ceil(pdtr(np.arange(largest), means) * COUNTS - 0.5).astype(np.intp).clip(0, COUNTS)
    places = steps + np.arange(256)[:, np.newaxis] * (COUNTS + 1)
    passed = np.bincount(places.ravel(), minlength=256 * (COUNTS + 1)).reshape(256, COUNTS + 1)
    counts = passed[:, :COUNTS].cumsum(axis=1)
    table = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8).ravel()
    table.setflags(write=False)
    return table


@register(
    "impulse_noise",
    family="noise",
    severity={"amount": [0.03, 0.06, 0.09, 0.17, 0.27]},
    version=2,
    shared=word_field,
)
def impulse_noise(image: RGB, *, shared: NDArray[np.uint16], amount: float) -> RGB:
    """Salt and pepper: a share ``amount`` of all channel values becomes 0 or 255 with equal chance."""
    half = round(amount / 2 * LEVELS)
    salt = (shared < half).view(np.uint8)
    kept = (shared < LEVELS - half).view(np.uint8)
    # As bit masks, a fifth of the time of np.where: 0 − 1 is 255.
    return image & np.negative(kept) | np.negative(salt)


@register(
    "speckle_noise",
    family="noise",
    severity={"sigma": [0.15, 0.2, 0.35, 0.45, 0.6]},
    version=2,
    shared=normal_field,
)
def speckle_noise(image: RGB, *, shared: NDArray[np.float32], sigma: float) -> RGB:
    """Multiplicative noise: x + x · N(0, sigma²), which leaves black untouched."""
    noisy = np.empty_like(image)
    for rows in bands(image):
        levels = shared[rows] * np.float32(sigma)
        levels += 1
        levels *= image[rows]
        noisy[rows] = levels_to_bytes(levels)
    return noisy
