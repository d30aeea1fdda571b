"""How the camera is held."""

import cv2
import numpy as np

from corruptions.images import RGB
from corruptions.registry import register


def side_of_turn(image: RGB, rng: np.random.RandomState) -> int:
    """Draw the sense of rotation: −1 or 1."""
    return int(rng.choice([-1, 1]))


@register("rotation", family="camera", severity={"degrees": [4, 8, 15, 25, 45]}, shared=side_of_turn)
def rotation(image: RGB, *, shared: int, degrees: float) -> RGB:
    """The image turned about its middle, to either side; what comes into view mirrors what was at the edge."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), shared * degrees, 1)
    turned = cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(turned, np.uint8)
