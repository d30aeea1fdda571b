"""What happens to an image on its way: recompression, resampling, lost packets."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.images import RGB
from corruptions.registry import register

BLOCK = 16  # px, of the macroblocks that video is cut into


def _recompressed(image: RGB, kind: str, **options: Any) -> RGB:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.array(Image.open(buffer, formats=[kind]).convert("RGB"))


@register("jpeg2000_compression", family="transport", severity={"ratio": [40, 70, 120, 200, 350]})
def jpeg2000_compression(image: RGB, *, ratio: float) -> RGB:
    """JPEG 2000 at ``ratio`` to 1: wavelets that smear instead of blocks."""
    return _recompressed(image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)


@register("webp_compression", family="transport", severity={"quality": [30, 15, 8, 3, 0]})
def webp_compression(image: RGB, *, quality: int) -> RGB:
    """Lossy WebP at ``quality``, as chat programs send pictures."""
    return _recompressed(image, "WEBP", quality=quality, method=4)


@register("resampling", family="transport", severity={"scale": [0.5, 0.33, 0.25, 0.17, 0.12]})
def resampling(image: RGB, *, scale: float) -> RGB:
    """A thumbnail enlarged again: bicubic down to ``scale`` times the size, bicubic up."""
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = picture.resize(size, Image.Resampling.BICUBIC)
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def packet_draws(image: RGB, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw U(0, 1) for every block [H / 16, W / 16], in runs: a packet holds four blocks of a row."""
    rows, columns = (-(-side // BLOCK) for side in image.shape[:2])
    packets = rng.random_sample((rows, -(-columns // 4)))
    return np.repeat(packets, 4, axis=1)[:, :columns]


@register(
    "packet_loss",
    family="transport",
    severity={"share": [0.03, 0.06, 0.12, 0.2, 0.35]},
    shared=packet_draws,
)
def packet_loss(image: RGB, *, shared: NDArray[np.float64], share: float) -> RGB:
    """Lost packets of a video frame: a ``share`` of its runs of blocks, at least one, shows the row of blocks above.

    A decoder conceals a lost block with what it has; where nothing is above, the block is grey.
    """
    lost = shared <= max(share, shared.min())
    result = image.copy()
    for row, column in np.argwhere(lost):
        top, left = BLOCK * row, BLOCK * column
        block = result[top : top + BLOCK, left : left + BLOCK]
        above = result[top - BLOCK : top, left : left + BLOCK]
        block[:] = above[: len(block)] if row else 128
    return result
