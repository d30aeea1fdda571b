"""Local shuffling of pixels, the sequential part of glass blur, without a loop over pixels."""

import numpy as np

from corruptions.images import RGB


def shuffle(image: RGB, reach: int, rng: np.random.RandomState) -> RGB:
    """Overwrite each inner pixel with one drawn from the square −reach..reach − 1 around it, in scan order.

    The scan runs from the bottom right to the top left and reads what it has already written:
    x[p_k] ← x[q_k] for k = 0, 1, … ImageNet-C means to swap the two, but swaps views of one array, so that
    nothing travels from p to q; its published images have that one-way copy.

    A pixel whose source was rewritten earlier takes what that source took, and so on: a forest of pointers,
    each to an earlier step. Squaring the pointers until they rest finds all origins in log2(longest chain)
    gathers.
    """
    height, width = image.shape[:2]
    inner_rows = np.arange(height - reach, reach, -1)[:, np.newaxis]
    inner_columns = np.arange(width - reach, reach, -1)
    target = (inner_rows * width + inner_columns).reshape(-1)  # [steps], flat pixel index
    steps = len(target)
    right, down = rng.randint(-reach, reach, size=(steps, 2)).T
    source = target + down * width + right  # [steps]

    rewritten = np.full(height * width, steps)  # at which step; never for the rim
    rewritten[target] = np.arange(steps)
    # The step whose value a step takes: an earlier one, or else itself.
    origin = np.where((earlier := rewritten.take(source)) < np.arange(steps), earlier, np.arange(steps))
    while not np.array_equal(further := origin.take(origin), origin):
        origin = further

    shuffled = image.copy()
    shuffled.reshape(-1, 3)[target] = image.reshape(-1, 3).take(source.take(origin), axis=0)
    return shuffled
