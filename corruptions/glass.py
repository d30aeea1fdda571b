"""Local shuffling of pixels, the sequential part of glass blur, without a loop over pixels."""

import numpy as np

from corruptions.images import RGB


def shuffle(image: RGB, reach: int, rng: np.random.RandomState) -> RGB:
    """Overwrite each inner pixel with one drawn from the square of −reach..reach − 1 around it, in scan order.

    The scan runs from the bottom right to the top left and reads what it has already written:
    x[p_k] ← x[q_k] for k = 0, 1, … ImageNet-C means to swap the two, but swaps views of one array, so that nothing
    travels from p to q; its published images have that one-way copy.

    A pixel whose source was rewritten earlier takes what that source took, and so on: a forest of pointers, each to
    an earlier step. Squaring the pointers until they rest finds all origins in log2(longest chain) gathers.
    """
    height, width = image.shape[:2]
    rows = np.arange(height - reach, reach, -1)
    columns = np.arange(width - reach, reach, -1)
    steps = len(rows) * len(columns)
    offset = rng.randint(-reach, reach, size=(steps, 2)).reshape(
        len(rows), len(columns), 2
    )  # [rows, columns, (x, y)]
    source_row = rows[:, np.newaxis] + offset[:, :, 1]
    source_column = columns + offset[:, :, 0]

    order = np.full((height, width), steps, dtype=np.int64)  # when a pixel is rewritten; never for the rim
    order[rows[:, np.newaxis], columns] = np.arange(steps).reshape(len(rows), len(columns))
    now = np.arange(steps)
    rewritten_at = order[source_row, source_column].reshape(-1)
    origin = np.where(rewritten_at < now, rewritten_at, now)  # [steps], the earlier step whose value is taken
    while True:
        further = origin[origin]
        if np.array_equal(further, origin):
            break
        origin = further

    shuffled = image.copy()
    source = (source_row * width + source_column).reshape(-1)[origin].reshape(len(rows), len(columns))
    shuffled[rows[:, np.newaxis], columns] = image.reshape(-1, 3)[source]
    return shuffled
