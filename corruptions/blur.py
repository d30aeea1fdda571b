"""Blur: optics, motion and textured glass."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from corruptions.filters import (
    disk_kernel,
    line_kernel,
    negative,
    overshoots,
    positive,
    sparse_filter,
    white_level,
    zoom_axis,
)
from corruptions.glass import shuffle
from corruptions.images import RGB, bands, to_bytes
from corruptions.registry import register


@register(
    "defocus_blur",
    family="blur",
    severity={"radius": [3, 4, 6, 8, 10], "alias_blur": [0.1, 0.5, 0.5, 0.5, 0.5]},
    version=3,
)
def defocus_blur(image: RGB, *, radius: int, alias_blur: float) -> RGB:
    """Out of focus: convolution with a disk of ``radius`` px."""
    kernel = disk_kernel(radius, alias_blur)
    blurred = cv2.filter2D(negative(image), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return positive(np.asarray(blurred, np.float32), white_level(kernel))


@register(
    "glass_blur",
    family="blur",
    severity={"sigma": [0.7, 0.9, 1.0, 1.1, 1.5], "reach": [1, 2, 2, 3, 4], "passes": [2, 1, 3, 2, 2]},
)
def glass_blur(image: RGB, *, rng: np.random.RandomState, sigma: float, reach: int, passes: int) -> RGB:
    """Frosted glass: blur, let each pixel be overwritten by a neighbour within ``reach`` px, blur again."""
    blurred = _smoothed(image, sigma)
    for _ in range(passes):
        blurred = shuffle(blurred, reach, rng)
    return _smoothed(blurred, sigma)


def _smoothed(image: RGB, sigma: float) -> RGB:
    # SciPy's Gaussian and not OpenCV's: truncated twice, their last bits grow to two levels on a flat area.
    # Its weights sum to 1 within an ulp, so nothing is left to be clipped.
    result, reach = np.empty_like(image), int(4 * sigma + 0.5)
    for rows in bands(image, 1 << 16):
        top = max(0, rows.start - reach)
        framed = image[top : rows.stop + reach] / 255.0
        smooth: NDArray[np.float64] = gaussian_filter(framed, (sigma, sigma, 0), mode="nearest")
        smooth *= 255
        result[rows] = smooth[rows.start - top :][: rows.stop - rows.start]
    return result


@register(
    "motion_blur",
    family="blur",
    severity={"radius": [10, 15, 15, 15, 20], "sigma": [3, 5, 8, 12, 15]},
    version=2,
)
def motion_blur(image: RGB, *, rng: np.random.RandomState, radius: int, sigma: float) -> RGB:
    """Camera motion along a straight line at a random angle of -45 to 45 degrees."""
    rows, columns, weights = line_kernel(radius, sigma, rng.uniform(-45, 45), image.shape[:2])
    smeared = sparse_filter(negative(image), rows, columns, weights, cv2.BORDER_REPLICATE)
    return positive(smeared, white_level(weights))


@register(
    "zoom_blur",
    family="blur",
    severity={"stop": [1.11, 1.16, 1.21, 1.26, 1.31], "step": [0.01, 0.01, 0.02, 0.02, 0.03]},
)
def zoom_blur(image: RGB, *, stop: float, step: float) -> RGB:
    """Motion towards the scene: the mean of the image and its zooms by 1, 1 + step, … up to ``stop``."""
    height, width = image.shape[:2]
    intensity = image.astype(np.float32) / np.float32(255)
    # np.arange steps past its end point for some of these, which makes 12 and not 11 zooms of severity 1.
    factors = np.arange(1, stop, step)
    total = intensity.copy()
    for factor in factors:
        top, rows, zoomed_rows = zoom_axis(height, factor)
        left, columns, zoomed_columns = zoom_axis(width, factor)
        to_source = np.array(
            [[(columns - 1) / (zoomed_columns - 1), 0, left], [0, (rows - 1) / (zoomed_rows - 1), top]]
        )
        layer = cv2.warpAffine(
            intensity,
            to_source,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if zoomed_rows == height and overshoots(rows, zoomed_rows):
            layer[-1] = 0
        if zoomed_columns == width and overshoots(columns, zoomed_columns):
            layer[:, -1] = 0
        total += layer
    return to_bytes(total / (len(factors) + 1))


@register("gaussian_blur", family="blur", severity={"sigma": [1, 2, 3, 4, 6]}, version=2)
def gaussian_blur(image: RGB, *, sigma: float) -> RGB:
    """Convolution with a Gaussian of ``sigma`` px, cut off at 4 ``sigma``."""
    side = 2 * int(4 * sigma + 0.5) + 1
    blurred = cv2.GaussianBlur(negative(image), (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    return positive(np.asarray(blurred, np.float32), white=255)
