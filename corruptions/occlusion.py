"""Grey boxes in front of the scene: anywhere, over the object, or everywhere but over the object."""

import numpy as np
from numpy.typing import NDArray

from corruptions.images import RGB
from corruptions.registry import register

GREY = 128
BOXES = 6

Mask = NDArray[np.bool_]  # [H, W]
Boxes = NDArray[np.float64]  # [boxes, 4]: centre as shares of height and width, height and width for area 1


def box_draws(image: RGB, rng: np.random.RandomState) -> Boxes:
    """Draw six centres and aspect ratios between 1:2 and 2:1."""
    centres = rng.random_sample((BOXES, 2))
    stretch = np.exp(rng.uniform(-0.5, 0.5, BOXES) * np.log(2))
    return np.column_stack([centres, stretch, 1 / stretch])


def covered(image: RGB, boxes: Boxes, area: float) -> Mask:
    """Return where boxes with ``area`` of the image in all, before they overlap, hide it: [H, W].

    The boxes of a larger area contain those of a smaller one.
    """
    height, width = image.shape[:2]
    hidden = np.zeros((height, width), bool)
    side = np.sqrt(area / len(boxes) * height * width)
    for y, x, tall, wide in boxes:
        top, left = round(y * height - side * tall / 2), round(x * width - side * wide / 2)
        bottom, right = top + max(1, round(side * tall)), left + max(1, round(side * wide))
        hidden[max(0, top) : bottom, max(0, left) : right] = True
    return hidden


def _hidden(image: RGB, where: Mask) -> RGB:
    result = image.copy()
    result[where] = GREY
    return result


@register("occlusion", family="occlusion", severity={"area": [0.05, 0.1, 0.2, 0.35, 0.5]}, shared=box_draws)
def occlusion(image: RGB, *, shared: Boxes, area: float) -> RGB:
    """Six grey boxes anywhere, with ``area`` of the image in all; at its edge and where they overlap, less."""
    return _hidden(image, covered(image, shared, area))


@register(
    "occlude_background",
    family="occlusion",
    severity={"area": [0.05, 0.1, 0.2, 0.35, 0.5]},
    shared=box_draws,
)
def occlude_background(image: RGB, *, shared: Boxes, mask: Mask, area: float) -> RGB:
    """The same boxes behind the object: what ``mask`` marks stays in view."""
    return _hidden(image, covered(image, shared, area) & ~mask)


def object_distance(image: RGB, mask: Mask, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw a point of the object; return the distance of every pixel from it, [H, W], in squares around it."""
    height, width = mask.shape
    inside = np.flatnonzero(mask)
    point = inside[rng.randint(len(inside))] if len(inside) else rng.randint(mask.size)
    y, x = divmod(int(point), width)
    return np.maximum(abs(np.arange(height) - y)[:, np.newaxis], abs(np.arange(width) - x)).astype(float)


@register(
    "occlude_object",
    family="occlusion",
    severity={"share": [0.2, 0.4, 0.6, 0.8, 1.0]},
    shared=object_distance,
)
def occlude_object(image: RGB, *, shared: NDArray[np.float64], mask: Mask, share: float) -> RGB:
    """A grey square around a point of the object, just large enough to hide ``share`` of its pixels.

    Without an object there is nothing to hide, and the image stays as it is.
    """
    if not mask.any():
        return image
    return _hidden(image, shared <= np.quantile(shared[mask], share, method="higher"))
