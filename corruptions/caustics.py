"""Light through moving water: the caustic refraction of ImageNet-C-bar."""

import cv2
import numpy as np

from corruptions.filters import spread
from corruptions.images import RGB, levels_to_bytes
from corruptions.registry import register
from corruptions.waves import Field, coordinates

ITERATIONS = 5
ETA = 4.0  # index of refraction


def water_slopes(image: RGB, rng: np.random.RandomState) -> tuple[Field, Field]:
    """Draw a pattern of light on the bottom of a pool; return its differences down and to the right, [H, W]."""
    time, period = rng.uniform([0.5, 0.75], [2, 1.25])
    side = np.float32(period * min(image.shape[:2]))
    down, right = np.broadcast_arrays(
        *((axis / side % 1) * np.float32(2 * np.pi) - np.float32(250) for axis in coordinates(image))
    )
    inverse_length = np.ones(image.shape[:2], np.float32)
    y, x = down, right
    for step in range(ITERATIONS):
        now = np.float32(time * (1 - 3.5 / (step + 1)))
        y, x = down + np.cos(now - y) + np.sin(now + x), right + np.sin(now - x) + np.cos(now + y)
        inverse_length += 1 / (np.float32(0.005) * np.hypot(down / np.sin(y + now), right / np.cos(x + now)))
    light = np.clip(np.abs(1.17 - (inverse_length / ITERATIONS) ** np.float32(1.4)) ** 8, 0, 1)
    light = cv2.GaussianBlur(np.asarray(light, np.float32), (9, 9), 1)
    framed = np.asarray(cv2.copyMakeBorder(light, 1, 1, 1, 1, cv2.BORDER_REFLECT_101), np.float32)
    return framed[2:, 1:-1] - framed[:-2, 1:-1], framed[1:-1, 2:] - framed[1:-1, :-2]


@register(
    "caustic_refraction",
    family="imagenet_c_bar",
    severity={"strength": [0.235, 0.32, 0.49, 0.66, 0.915]},
    shared=water_slopes,
)
def caustic_refraction(image: RGB, *, shared: tuple[Field, Field], strength: float) -> RGB:
    """The bottom of a pool: pixels displaced by at most half a side times ``strength``, and lit by waves.

    Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (NeurIPS 2021).
    """
    down, right = shared
    upright = 1 / np.sqrt(down * down + right * right + 1)  # cosine between the surface's normal and the view
    sine = np.sqrt(1 - upright * upright)
    # Snell's law for a ray from straight above, with the small tilts left out that the paper's code leaves out.
    bend = np.where(upright < 0.999, np.sqrt(1 - (sine / ETA) ** 2) - upright / ETA, 0) * upright
    scale = np.float32(0.5 * min(image.shape[:2]) * strength)
    y, x = coordinates(image)
    moved = cv2.remap(
        image.astype(np.float32),
        np.asarray(x + scale * bend * right, np.float32),
        np.asarray(y + scale * bend * down, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    glitter = np.float32(255 * 2 * strength) * (down - right)
    return levels_to_bytes(np.asarray(moved, np.float32) + spread(glitter))
