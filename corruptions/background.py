"""The scene exchanged around the object."""

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.filters import spread
from corruptions.images import RGB
from corruptions.registry import register

FEATHER = 1.5  # px, sigma of the edge: a hard one would be a cue of its own


def other_scene(image: RGB, mask: NDArray[np.bool_], donor: RGB) -> tuple[NDArray[np.float32], RGB]:
    """Return the opacity of the object [H, W, 3] in [0, 1], and the donor cropped and resized to the image."""
    height, width = image.shape[:2]
    scale = max(height / len(donor), width / donor.shape[1])
    tall, wide = min(len(donor), round(height / scale)), min(donor.shape[1], round(width / scale))
    top, left = (len(donor) - tall) // 2, (donor.shape[1] - wide) // 2
    scene = cv2.resize(
        donor[top : top + tall, left : left + wide], (width, height), interpolation=cv2.INTER_AREA
    )
    # Grown by the feather, so that the object itself stays whole.
    grown = cv2.dilate(mask.astype(np.float32), np.ones((3, 3)), iterations=2)
    opacity = np.maximum(cv2.GaussianBlur(grown, (0, 0), FEATHER), mask.astype(np.float32))
    return spread(np.asarray(opacity, np.float32)), np.asarray(scene, np.uint8)


@register(
    "background_swap",
    family="background",
    severity={"opacity": [0.2, 0.4, 0.6, 0.8, 1.0]},
    shared=other_scene,
)
def background_swap(image: RGB, *, shared: tuple[NDArray[np.float32], RGB], opacity: float) -> RGB:
    """Everything but the object of ``mask`` gives way to another image, by ``opacity``.

    After the natural backgrounds of Xiao, Engstrom, Ilyas & Madry, "Noise or Signal" (ICLR 2021). A question
    about the background has another answer afterwards.
    """
    inside, scene = shared
    weight = (1 - inside) * np.float32(opacity)
    return np.rint(image + weight * (scene.astype(np.float32) - image)).astype(np.uint8)


def without_objects(image: RGB, mask: NDArray[np.bool_]) -> RGB:
    """Return the image with the objects of ``mask`` painted over from their surroundings: a background to lend.

    Telea, "An Image Inpainting Technique Based on the Fast Marching Method" (2004), on at most 128 px: it is
    to leave no object behind, not to deceive anybody.
    """
    shrink = min(1.0, 128 / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * shrink)), max(1, round(len(image) * shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    hole = cv2.dilate(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA), np.ones((5, 5)))
    painted = cv2.resize(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), image.shape[1::-1])
    return np.where(mask[:, :, np.newaxis], np.asarray(painted, np.uint8), image)
