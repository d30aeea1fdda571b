"""Linear filters and resampling that several corruptions share."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.images import RGB, Levels, bands

Offsets = NDArray[np.intp]  # [taps], in px

# From 130 entries on OpenCV filters by way of a Fourier transform: 8 ms instead of 1.3 at 336 x 336 px.
LARGEST_DIRECT_KERNEL = 129
# What single precision may lose of a sum of weighted levels: 32 additions of 24 bits.
RELATIVE_ROUNDING = 2e-6
# Grey levels; 0 comes back from OpenCV's Fourier transform as ± 1e-13, which is not to count as light.
ZERO_ROUNDING = 1e-9


def gaussian_kernel(sigma: float, truncate: float = 4.0) -> NDArray[np.float64]:
    """Return exp(−x²/2σ²) on |x| <= truncate · σ (rounded), normalised to sum 1."""
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    return weights / weights.sum()


def disk_kernel(radius: int, alias_blur: float) -> NDArray[np.float32]:
    """Return a filled circle of ``radius`` px, sum 1, its edge smoothed by ``alias_blur`` px, without empty rim."""
    reach = max(radius, 8)
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets**2 + offsets[:, np.newaxis] ** 2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    smoothing = (3, 3) if radius <= 8 else (5, 5)
    kernel = np.asarray(cv2.GaussianBlur(disk, smoothing, sigmaX=alias_blur), np.float32)
    # Blurred by 0.1 px, an edge has a skirt of 1e-22 to 1e-44, where arithmetic is slow. Without it and the empty
    # rim, the two smallest disks are small enough to be filtered directly.
    kernel[kernel < 1e-9] = 0
    rim = int(kernel.any(axis=0).argmax())
    return kernel[rim : len(kernel) - rim, rim : len(kernel) - rim]


def line_kernel(
    radius: int, sigma: float, angle: float, size: tuple[int, ...]
) -> tuple[Offsets, Offsets, NDArray[np.float64]]:
    """Return rows, columns and weights of 2 · radius + 1 taps: a one-sided Gaussian along ``angle`` degrees.

    Taps lie on whole pixels. One that lies beyond an image of ``size`` = (height, width) is dropped together
    with all later ones, and its weight is lost: a small image gets darker. That is what ImageNet-C's code
    does, so it is what "motion blur" means here.
    """
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    weights /= weights.sum()
    rows, columns = (
        np.ceil(taps * share - 0.5).astype(np.intp)
        for share in (math.sin(math.radians(angle)), math.cos(math.radians(angle)))
    )
    outside = (abs(rows) >= size[0]) | (abs(columns) >= size[1])
    count = int(outside.argmax()) if outside.any() else len(taps)
    return rows[:count], columns[:count], weights[:count]


def sparse_filter(
    image: Levels, rows: Offsets, columns: Offsets, weights: NDArray[np.float64], border: int
) -> Levels:
    """Return Σ w · image[y + row, x + column] over the taps (row, column, w); ``border`` is OpenCV's.

    Taps that are near each other should follow each other: they share one call of OpenCV.
    """
    top, left = max(0, -rows.min()), max(0, -columns.min())
    padded = cv2.copyMakeBorder(image, top, max(0, rows.max()), left, max(0, columns.max()), border)
    height, width = image.shape[:2]
    total: Levels | None = None
    for chunk in _chunks(rows, columns):
        down, right = rows[chunk], columns[chunk]
        kernel = np.zeros((np.ptp(down) + 1, np.ptp(right) + 1), np.float32)
        # Along a slope two taps can share a pixel.
        np.add.at(kernel, (down - down.min(), right - right.min()), weights[chunk])
        y, x = top + down.min(), left + right.min()
        seen = padded[y : y + height + kernel.shape[0] - 1, x : x + width + kernel.shape[1] - 1]
        part = np.asarray(cv2.filter2D(seen, -1, kernel, anchor=(0, 0))[:height, :width], np.float32)
        total = part.copy() if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _chunks(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Iterator[slice]:
    """Cut a list of taps into runs whose bounding boxes are small enough to be filtered directly."""
    start = 0
    top, bottom, left, right = rows[0], rows[0], columns[0], columns[0]
    for place, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        top, bottom, left, right = min(top, row), max(bottom, row), min(left, column), max(right, column)
        if (bottom - top + 1) * (right - left + 1) > LARGEST_DIRECT_KERNEL:
            yield slice(start, place)
            start, top, bottom, left, right = place, row, row, column, column
    yield slice(start, len(rows))


def negative(image: RGB) -> Levels:
    """Return 255 − image in single precision, to be filtered and handed to ``positive``."""
    return np.subtract(255, image, dtype=np.float32)


def positive(filtered: Levels, white: float) -> RGB:
    """Return the truncated bytes of a filtered image, given its filtered negative, which is overwritten.

    ``white`` is what double precision makes of a white area: 255 or a hair less, hence 255 or 254. Next to such
    an area, too, a hair decides, which single precision resolves near 0 but not near 255. That is why an image
    is filtered as its negative.
    """
    towards_grey = 1 if white < 255 else -1
    image = np.empty(filtered.shape, np.uint8)
    for rows in bands(image):
        levels = filtered[rows]
        levels *= np.float32(1 + towards_grey * RELATIVE_ROUNDING)
        levels += np.float32(255 - white + towards_grey * ZERO_ROUNDING)
        np.ceil(levels, out=levels)
        np.subtract(255, np.clip(levels, 0, 255, out=levels), out=image[rows], casting="unsafe")
    return image


def white_level(weights: NDArray[np.floating]) -> float:
    """Return Σ 255 · w, added up in double precision in the order of the taps."""
    total = 0.0
    for weight in weights.ravel().tolist():
        total += 255 * weight
    return total


def spread(plane: Levels) -> Levels:
    """Return [H, W] as [H, W, 3]: NumPy broadcasts over a last axis of three at a tenth of the speed."""
    return np.asarray(cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB), np.float32)


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


def zoomed(field: Levels, factor: float) -> Levels:
    """Enlarge the centre of [H, W] by ``factor``, bilinearly; the result may be a few samples larger."""
    rows, columns = (zoom_axis(side, factor) for side in field.shape)
    field = field[rows[0] : rows[0] + rows[1], columns[0] : columns[0] + columns[1]]
    # Columns first: they are enlarged before there are more rows. Not OpenCV's warp, whose coordinates are in
    # single precision: snow compares the result with a threshold.
    for axis, (_, length, size) in ((1, columns), (0, rows)):
        position = np.arange(size) * ((length - 1) / (size - 1))  # [size], in samples of the crop
        left = np.minimum(position.astype(np.intp), length - 2)
        weight = np.expand_dims((position - left).astype(np.float32), 1 - axis)
        lower, upper = field.take(left, axis), field.take(left + 1, axis)
        field = lower + (upper - lower) * weight
        if overshoots(length, size):
            np.moveaxis(field, axis, 0)[-1] = 0
    return field
