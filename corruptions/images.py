"""Images on their way in and out: one canonical form inside, the caller's kind outside."""

import warnings
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.errors import ConversionWarning, CorruptionError

RGB: TypeAlias = NDArray[np.uint8]  # [H, W, 3]
Levels: TypeAlias = NDArray[np.float32]  # [H, W] or [H, W, 3], in grey levels 0..255

# Below this the severity tables, which were tuned at 224 px, leave nothing of the image.
MIN_SIDE = 32
# WebP ends here; OpenCV's warps at twice that, and fog, whose map is a square, at the end of the memory.
MAX_SIDE = 16_383

_CHANNELS = {1: "L (grey)", 2: "LA (grey with alpha)", 4: "RGBA"}
# Modes with more than 8 bits per channel: Pillow would clip them at 255 without a word.
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def to_rgb(image: Any) -> RGB:
    """Return ``image`` as a contiguous uint8 array [H, W, 3] that nobody can write to.

    Takes a uint8 array [H, W, 3] or a PIL image. Grey, grey with alpha, RGBA, palette, CMYK … are converted
    with a ``ConversionWarning``; alpha is dropped, not composited. Everything else is a ``CorruptionError``.
    """
    pixels = _from_pil(image) if isinstance(image, Image.Image) else _from_array(image)
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise CorruptionError(
            f"image must be at least {MIN_SIDE} px on both sides, got {width} x {height} px"
        )
    if max(height, width) > MAX_SIDE:
        raise CorruptionError(f"image must be at most {MAX_SIDE} px on both sides, got {width} x {height} px")
    pixels = np.ascontiguousarray(pixels).view()
    pixels.setflags(write=False)
    return pixels


def to_mask(mask: Any, image: RGB) -> NDArray[np.bool_]:
    """Return ``mask`` as a read-only array [H, W] of the size of ``image``, or say what is wrong with it."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        got = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise CorruptionError(f"mask must be a bool array {list(image.shape[:2])}, got {got}")
    mask = mask.view()
    mask.setflags(write=False)
    return mask


def like(pixels: RGB, original: Any) -> RGB | Image.Image:
    """Return ``pixels`` as the kind that ``original`` is: PIL image or array."""
    return Image.fromarray(pixels) if isinstance(original, Image.Image) else pixels


def to_bytes(intensity: NDArray[np.floating[Any]]) -> RGB:
    """Map intensities (1 = white, clipped to [0, 1]) to uint8 by truncation, as ImageNet-C does.

    Truncation darkens by half a grey level on average. Rounding would be kinder, and would no longer be the
    benchmark whose published numbers people compare with.
    """
    scaled = np.clip(intensity, 0, 1)
    scaled *= 255
    return scaled.astype(np.uint8)


def levels_to_bytes(levels: Levels) -> RGB:
    """Map grey levels to uint8 like ``to_bytes``: clipped to 0..255, in place, and truncated."""
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def bands(image: NDArray[Any], values: int = 1 << 15) -> Iterator[slice]:
    """Cut [H, W, …] into slices of rows of about ``values`` numbers.

    What is computed in between then stays in the processor's cache and, which matters as much, below the size
    from which freed memory goes back to the system and comes again page by page: twice as fast at 336 x 336 px.
    """
    height = max(1, values * len(image) // max(1, image.size))
    return (slice(top, top + height) for top in range(0, len(image), height))


def lookup_pairs(table: RGB, first: RGB, second: RGB) -> RGB:
    """Return table[256 · first + second], whatever two bytes decide: ``table`` is uint8 [256 · 256]."""
    result = np.empty_like(first)
    for rows in bands(first):
        index = first[rows].astype(np.intp)
        index <<= 8
        index |= second[rows]
        result[rows] = table.take(index)
    return result


def _from_pil(image: Image.Image) -> RGB:
    if image.mode in _DEEP_MODES:
        raise CorruptionError(f"image has mode '{image.mode}'; scale it to 8 bits per channel first")
    if image.mode != "RGB":
        _announce(image.mode)
        # A palette with transparency must pass through RGBA, or Pillow mixes the transparent colour up.
        image = image.convert("RGBA") if "transparency" in image.info else image
        image = image.convert("RGB")
    return np.asarray(image)


def _from_array(image: Any) -> RGB:
    if not isinstance(image, np.ndarray):
        kind = f"{type(image).__module__}.{type(image).__qualname__}"
        raise CorruptionError(f"image must be a uint8 array [H, W, 3] or a PIL image, got {kind}")
    if image.dtype != np.uint8:
        hint = (
            "; scale [0, 1] to 0..255 and convert with .astype(np.uint8)" if image.dtype.kind == "f" else ""
        )
        raise CorruptionError(f"image must have dtype uint8, got {image.dtype}{hint}")
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] not in _CHANNELS:
        raise CorruptionError(
            f"image must be [H, W, 3], got {list(image.shape)}; transpose(1, 2, 0) it first"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in _CHANNELS):
        raise CorruptionError(f"image must be [H, W, 3], got {list(image.shape)}")
    image = image if image.ndim == 3 else image[:, :, np.newaxis]
    _announce(_CHANNELS[image.shape[2]])
    return image[:, :, :3] if image.shape[2] == 4 else np.repeat(image[:, :, :1], 3, axis=2)


def _announce(mode: str) -> None:
    # Five frames up is the line that called corrupt() or ladder().
    warnings.warn(f"image of mode {mode} converted to RGB", ConversionWarning, stacklevel=6)
