"""Local shuffling of pixels, the sequential part of glass blur, without a loop over pixels."""

import cv2
import numpy as np

from corruptions.images import RGB, bands


def shuffle(image: RGB, reach: int, rng: np.random.RandomState) -> RGB:
    """Overwrite each inner pixel with one drawn from the square −reach..reach − 1 around it, in scan order.

    The scan runs from the bottom right to the top left and reads what it has already written:
    x[p_k] ← x[q_k] for k = 0, 1, … ImageNet-C means to swap the two, but swaps views of one array, so that
    nothing travels from p to q; its published images have that one-way copy.

    With pixels numbered in scan order, a pixel whose source has a smaller number takes what that source took,
    and so on: a forest of pointers, each to a smaller number. Squaring the pointers until they rest finds all
    origins in log2(longest chain) gathers. Bands of rows one after the other, so that pointers stay in the cache:
    from one band into the one before, the source is already what it will be.
    """
    height, width = image.shape[:2]
    # Four bytes to a pixel are gathered as one number.
    upside_down = cv2.cvtColor(cv2.flip(image, -1), cv2.COLOR_RGB2RGBA)
    pixels = upside_down.view(np.uint32).reshape(-1)  # [H * W], in scan order
    inner = range(reach - 1, height - reach - 1)
    for rows in bands(image[: len(inner)]):
        start, count = inner[rows][0] * width, len(inner[rows])
        # The legacy generator draws the same integers however many at a time; 32 bits are half the memory.
        right, down = np.moveaxis(rng.randint(-reach, reach, (count, width - 2 * reach, 2), np.int32), 2, 0)
        shift = np.zeros((count, width), np.intp)
        shift[:, reach - 1 : width - reach - 1] = down * width + right
        number = np.arange(count * width)
        source = number - shift.reshape(-1)  # a pixel of the rim is its own
        origin = np.where((source >= 0) & (source < number), source, number)
        while not np.array_equal(further := origin.take(origin), origin):
            origin = further
        pixels[start : start + len(number)] = pixels.take(source.take(origin) + start)
    return np.asarray(cv2.flip(cv2.cvtColor(upside_down, cv2.COLOR_RGBA2RGB), -1), np.uint8)
