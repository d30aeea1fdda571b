"""Digital processing: contrast, resampling, compression, local deformation, colour."""

import cv2
import numpy as np

from corruptions.blocks import repeated, shrunk
from corruptions.draws import uniform
from corruptions.filters import gaussian_kernel
from corruptions.hsv import Plane, hsv_to_rgb, rgb_to_hsv
from corruptions.images import RGB, Levels, levels_to_bytes, to_bytes
from corruptions.registry import register


@register("contrast", family="digital", severity={"scale": [0.4, 0.3, 0.2, 0.1, 0.05]})
def contrast(image: RGB, *, scale: float) -> RGB:
    """Contrast scaled around the mean of each channel."""
    level = np.arange(256)[:, np.newaxis] / 255.0
    mean = np.array(cv2.mean(image)[:3]) / 255.0
    table = to_bytes((level - mean) * scale + mean)  # [256, 3]
    return np.asarray(cv2.LUT(image, table[np.newaxis]), np.uint8)


def displacement_fields(image: RGB, rng: np.random.RandomState) -> tuple[Levels, Levels]:
    """Draw U(−1, 1) for every pixel [H, W], for the displacement in x and in y."""
    return uniform(rng, *image.shape[:2]), uniform(rng, *image.shape[:2])


@register(
    "elastic_transform",
    family="digital",
    severity={"amplitude": [12.5, 16.25, 21.25, 25, 30], "sigma": [0.01] * 5, "reach": [0.005] * 5},
    version=2,
    shared=displacement_fields,
)
def elastic_transform(
    image: RGB, *, shared: tuple[Levels, Levels], amplitude: float, sigma: float, reach: float
) -> RGB:
    """Rubber sheet: pixels moved by a smooth random field (Simard, Steinkraus & Platt, ICDAR 2003).

    The field is U(−reach · H, reach · H), blurred with ``sigma`` (a share of height and width) and scaled by
    ``amplitude``. Unlike ImageNet-C's first code there is no affine part, as in imagecorruptions.
    """
    height, width = image.shape[:2]
    down, right = (gaussian_kernel(sigma * side, truncate=3).astype(np.float32) for side in (height, width))
    farthest = np.float32(amplitude * reach * height)  # px
    source_x, source_y = (
        farthest * cv2.sepFilter2D(field, -1, right, down, borderType=cv2.BORDER_REFLECT) for field in shared
    )  # [H, W]
    source_x += np.arange(width, dtype=np.float32)
    source_y += np.arange(height, dtype=np.float32)[:, np.newaxis]
    levels = image.astype(np.float32)
    moved = cv2.remap(levels, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return levels_to_bytes(np.asarray(moved, np.float32))


@register("pixelate", family="digital", severity={"scale": [0.6, 0.5, 0.4, 0.3, 0.25]}, version=2)
def pixelate(image: RGB, *, scale: float) -> RGB:
    """Shrink by box averaging to ``scale`` times the size, enlarge by repetition."""
    height, width = image.shape[:2]
    small = shrunk(image, max(1, int(height * scale)), max(1, int(width * scale)))
    return repeated(small, height, width)


@register("jpeg_compression", family="digital", severity={"quality": [25, 18, 15, 10, 7]})
def jpeg_compression(image: RGB, *, quality: int) -> RGB:
    """JPEG artefacts at ``quality``, colour at half the resolution (4:2:0)."""
    # The bits of Pillow, which calls the same library, in two thirds of the time: fewer copies.
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


@register(
    "saturate",
    family="digital",
    severity={"scale": [0.3, 0.1, 2, 5, 20], "offset": [0, 0, 0, 0.1, 0.2]},
    shared=rgb_to_hsv,
)
def saturate(image: RGB, *, shared: Plane, scale: float, offset: float) -> RGB:
    """Saturation of HSV times ``scale`` plus ``offset``: 1 and 2 desaturate, 3 to 5 oversaturate.

    Grey has hue 0, so the offsets of severity 4 and 5 turn grey pixels red, as in ImageNet-C.
    """
    return hsv_to_rgb(shared, scale, offset)
