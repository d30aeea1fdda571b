"""Linear filters and resampling that several corruptions share."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def gaussian_kernel(sigma: float, truncate: float = 4.0) -> NDArray[np.float64]:
    """Return exp(−x²/2σ²) on |x| <= truncate · σ (rounded), normalised to sum 1 from above."""
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    # Truncation to bytes makes 254 of a white area whose weights sum to 1 − 1e-16.
    return weights / weights.sum() * (1 + 1e-13)


def disk_kernel(radius: int, alias_blur: float) -> NDArray[np.float32]:
    """Return a filled circle of ``radius`` px, sum 1, its edge smoothed by ``alias_blur`` px."""
    reach = max(radius, 8)
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets**2 + offsets[:, np.newaxis] ** 2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    smoothing = (3, 3) if radius <= 8 else (5, 5)
    return np.asarray(cv2.GaussianBlur(disk, smoothing, sigmaX=alias_blur), np.float32)


def line_blur(image: NDArray[np.float64], radius: int, sigma: float, angle: float) -> NDArray[np.float64]:
    """Smear [H, W] or [H, W, 3] along ``angle`` degrees with a one-sided Gaussian of 2 · radius + 1 taps.

    Each tap is the image shifted by whole pixels, its border replicated. A tap that would shift the image out
    of itself is dropped together with all later ones, and its weight is lost: a small image gets darker. That
    is what ImageNet-C's code does, so it is what "motion blur" means here.
    """
    height, width = image.shape[:2]
    taps = 2 * radius + 1
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    weights /= weights.sum()
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    shifts = []
    for tap in range(taps):
        down, right = -math.ceil(tap * sine - 0.5), -math.ceil(tap * cosine - 0.5)
        if abs(down) >= height or abs(right) >= width:
            break
        shifts.append((down, right))
    margin_y = max(abs(down) for down, _ in shifts)
    margin_x = max(abs(right) for _, right in shifts)
    padded = cv2.copyMakeBorder(image, margin_y, margin_y, margin_x, margin_x, cv2.BORDER_REPLICATE)
    blurred, term = np.zeros_like(image), np.empty_like(image)
    for weight, (down, right) in zip(weights, shifts, strict=False):
        top, left = margin_y - down, margin_x - right
        # Not cv2.scaleAdd: it fuses the two, and in a white area the last bit decides between 255 and 254.
        np.multiply(padded[top : top + height, left : left + width], weight, out=term)
        blurred += term
    return blurred


def zoom_axis(size: int, factor: float) -> tuple[int, int, int]:
    """Return (start, length, zoomed): the centred crop of an axis, and how long ``factor`` makes it."""
    length = math.ceil(size / factor)
    return (size - length) // 2, length, round(length * factor)


def overshoots(length: int, zoomed: int) -> bool:
    """Whether the last sample of a zoomed axis falls outside the crop by a rounding error.

    The reference computes the coordinate (zoomed − 1) · ((length − 1) / (zoomed − 1)) and puts black where it
    is beyond length − 1. It is, by 1e-14, for about 1 % of the sizes (36 px at factor 1.2, say), whose last
    row or column is then darker. Equality with the reference includes that.
    """
    return (zoomed - 1) * ((length - 1) / (zoomed - 1)) > length - 1


def zoomed(field: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Enlarge the centre of [H, W] by ``factor``, bilinearly; the result may be a few samples larger."""
    for axis in (0, 1):
        start, length, size = zoom_axis(field.shape[axis], factor)
        position = np.arange(size) * ((length - 1) / (size - 1))  # [size], in samples of the crop
        left = np.minimum(position.astype(np.intp), length - 2)
        weight = np.expand_dims(position - left, 1 - axis)
        crop = np.take(field, range(start, start + length), axis)
        field = np.take(crop, left, axis) * (1 - weight) + np.take(crop, left + 1, axis) * weight
        if overshoots(length, size):
            field = np.where(np.expand_dims(np.arange(size) == size - 1, 1 - axis), 0, field)
    return field
