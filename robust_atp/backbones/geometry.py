"""Where the patches of a preprocessed image lie in the original image."""

from collections.abc import Mapping

import numpy as np


def patch_coverage(
    mask: np.ndarray, resized: tuple[int, int], cropped: tuple[int, int], grid: tuple[int, int]
) -> np.ndarray:
    """Share of each patch's area that lies inside a bool mask [H, W] of the original image, float64 [N].

    The image is resized to ``resized``, centre-cropped (or padded) to ``cropped`` and cut into ``grid``
    patches. Patch borders are mapped back to the original and the mask is integrated exactly; what lies
    outside the image counts as not covered.
    """
    rows = _overlap(mask.shape[0], resized[0], cropped[0], grid[0])  # [rows, H]
    columns = _overlap(mask.shape[1], resized[1], cropped[1], grid[1])  # [columns, W]
    return (rows @ mask.astype(np.float64) @ columns.T).ravel()


def object_patches(
    mask: np.ndarray, resized: tuple[int, int], cropped: tuple[int, int], grid: tuple[int, int]
) -> np.ndarray:
    """Which patches have at least half their area inside the mask, bool [N]; see ``patch_coverage``."""
    # A patch that is exactly half covered counts; without the slack rounding would decide.
    return patch_coverage(mask, resized, cropped, grid) >= 0.5 - 1e-9


def pad_to_square(image: np.ndarray, fill: np.ndarray | np.bool_) -> np.ndarray:
    """Centre an image [H, W, 3] or mask [H, W] in the smallest square, which ``fill`` surrounds it with.

    Where the margin is odd, the smaller half is above or on the left, as in the original LLaVA code.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, *image.shape[2:]), image.dtype)
    square[:] = fill
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def resized_size(size: tuple[int, int], target: Mapping[str, int | None]) -> tuple[int, int]:
    """Size (height, width) after a processor's resize to ``{shortest_edge}`` or ``{height, width}``."""
    shortest = target.get("shortest_edge")
    if shortest is None:
        height, width = target["height"], target["width"]
        assert height is not None
        assert width is not None
        return height, width
    longest = int(shortest * max(size) / min(size))
    return (shortest, longest) if size[0] <= size[1] else (longest, shortest)


def _overlap(length: int, resized: int, cropped: int, patches: int) -> np.ndarray:
    """Share of each patch along one axis that each original pixel makes up [patches, length]."""
    first = (resized - cropped) // 2 if resized >= cropped else -((cropped - resized) // 2)
    borders = (first + np.arange(patches + 1) * cropped / patches) * length / resized
    low, high = borders[:-1, None], borders[1:, None]
    pixel = np.arange(length)[None, :]
    inside = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.clip(inside, 0, None) / (high - low)
