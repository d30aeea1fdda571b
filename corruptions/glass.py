"""Local shuffling of pixels, the sequential part of glass blur, without a loop over pixels."""

import cv2
import numpy as np

from corruptions.images import RGB


def shuffle(image: RGB, reach: int, rng: np.random.RandomState) -> RGB:
    """Overwrite each inner pixel with one drawn from the square −reach..reach − 1 around it, in scan order.

    The scan runs from the bottom right to the top left and reads what it has already written:
    x[p_k] ← x[q_k] for k = 0, 1, … ImageNet-C means to swap the two, but swaps views of one array, so that
    nothing travels from p to q; its published images have that one-way copy.

    With pixels numbered in scan order, a pixel whose source has a smaller number takes what that source took,
    and so on: a forest of pointers, each to a smaller number. Squaring the pointers until they rest finds all
    origins in log2(longest chain) gathers.
    """
    height, width = image.shape[:2]
    inner = np.s_[height - reach : reach : -1, width - reach : reach : -1]
    scan = np.arange(height * width - 1, -1, -1).reshape(height, width)  # number of each pixel, [H, W]
    # The legacy generator draws the same integers for every width of the result; 32 bits are half the memory.
    right, down = np.moveaxis(rng.randint(-reach, reach, (*scan[inner].shape, 2), np.int32), 2, 0)
    source = scan.copy()
    source[inner] -= down * width + right
    sources = source[::-1, ::-1].reshape(-1)  # [H * W], in scan order; a pixel of the rim is its own
    origin = np.minimum(sources, np.arange(height * width))
    while not np.array_equal(further := origin.take(origin), origin):
        origin = further

    # Four bytes to a pixel are gathered as one number.
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[::-1, ::-1].reshape(-1)
    gathered = np.ascontiguousarray(pixels.take(sources.take(origin))[::-1])
    shuffled = gathered.view(np.uint8).reshape(height, width, 4)
    return np.asarray(cv2.cvtColor(shuffled, cv2.COLOR_RGBA2RGB), np.uint8)
