"""Shrinking by box averages and enlarging by repetition: the pixels of Pillow at half its price.

Pillow multiplies every pixel by a weight, which in a box is one number for all. Nor are its bits the same in every
release: 13 averages images more than twice as tall as wide along y first, and 12 did not.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.images import RGB, bands

Places = NDArray[np.intp]


def shrunk(image: RGB, height: int, width: int) -> RGB:
    """Return the means of ``height`` x ``width`` boxes of whole pixels, rounded half up along x and then along y."""
    narrow = cv2.transpose(_means_of_rows(np.asarray(cv2.transpose(image), np.uint8), width))
    return _means_of_rows(np.asarray(narrow, np.uint8), height)


def repeated(image: RGB, height: int, width: int) -> RGB:
    """Return ``image`` [h, w, 3] at another size, every pixel being the nearest one."""
    # Four bytes to a pixel are gathered as one number.
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[:, :, 0]
    wide = pixels.take(_nearest(image.shape[1], width), axis=1)[:, :, np.newaxis].view(np.uint8)
    return cv2.cvtColor(wide, cv2.COLOR_RGBA2RGB).take(_nearest(len(image), height), axis=0)


def _means_of_rows(image: RGB, count: int) -> RGB:
    """Return [count, W, 3]: the means of ``count`` runs of rows of [H, W, 3]."""
    flat = image.reshape(len(image), -1)  # [H, W * 3]
    means = np.empty((count, flat.shape[1]), np.uint8)
    for length, runs, starts in _runs(len(image), count):
        for part in bands(means[: len(runs)]):
            means[runs[part]] = _mean(flat, starts[part], length)
    return means.reshape(count, *image.shape[1:])


def _mean(rows: NDArray[np.uint8], starts: Places, length: int) -> NDArray[np.unsignedinteger]:
    """Return [starts, values]: the mean, rounded half up, of ``length`` rows from each of ``starts`` on."""
    if length == 1:
        return rows[starts]
    # The sum of 257 bytes is the largest that 16 bits hold.
    total = np.add(rows[starts], rows[starts + 1], dtype=np.uint16 if length <= 257 else np.uint32)
    for offset in range(2, length):
        total += rows[starts + offset]
    total += total.dtype.type(length // 2)
    total //= total.dtype.type(length)
    return total


@lru_cache(maxsize=64)
def _runs(size: int, count: int) -> list[tuple[int, Places, Places]]:
    """Cut an axis into ``count`` runs of pixels; return (length, which runs have it, their first pixels), mostly two.

    A pixel belongs to the part of the axis that its middle is in. On the border of two parts it is the first one's,
    or by a rounding error the second one's, or both's: hence the operations in Pillow's order.
    """
    scale = size / count
    support = max(scale, 1.0)
    centre = (np.arange(count) + 0.5) * scale
    start = np.maximum((centre - 0.5 * support + 0.5).astype(np.intp), 0)
    stop = np.minimum((centre + 0.5 * support + 0.5).astype(np.intp), size)
    start += (start - centre + 0.5) * (1 / support) <= -0.5
    stop -= (stop - 1 - centre + 0.5) * (1 / support) > 0.5
    lengths = stop - start
    return [(n, np.flatnonzero(lengths == n), start[lengths == n]) for n in set(lengths.tolist())]


@lru_cache(maxsize=64)
def _nearest(size: int, count: int) -> Places:
    """Return which pixel of an axis each of ``count`` places shows; a running sum, as in Pillow."""
    step = size / count
    return np.cumsum(np.r_[0.5 * step, np.full(count - 1, step)]).astype(np.intp)
