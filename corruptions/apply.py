"""The one function most callers need."""

import operator
from typing import Any, SupportsIndex

import numpy as np

from corruptions.errors import CorruptionError
from corruptions.images import RGB, ImageKind, like, to_rgb
from corruptions.registry import SEVERITIES, Corruption, find
from corruptions.streams import random_stream


def corrupt(
    image: ImageKind,
    name: str | Corruption,
    severity: SupportsIndex,
    seed: SupportsIndex = 0,
    key: str | int | np.integer = "",
) -> ImageKind:
    """Return a corrupted copy of ``image``, of the same kind and size.

    ``image``: uint8 array [H, W, 3] or PIL image, at least 32 px on both sides; other colour modes are
    converted to RGB with a ``ConversionWarning``. ``name``: one of ``names("registered")``,
    ``"module:name"``, ``"path/to/file.py:name"`` or a ``Corruption``. ``severity``: 1..5; 0 returns an
    unchanged copy. ``key``: the id of the sample, so that two samples of one data set do not share their
    noise.

    A pure function of its arguments: no global random state is read or written, the input is not changed, and
    the bytes are the same in every process, thread and order. The severities of one (seed, key) share their
    random draws. Bad input is a ``CorruptionError``.

    The 19 types of ``names("all")`` follow Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to
    Common Corruptions and Perturbations" (ICLR 2019) with the parameters and conventions of the package
    imagecorruptions 1.1.2, so that published numbers stay comparable.
    """
    corruption = name if isinstance(name, Corruption) else find(name)
    level = _integer("severity", severity)
    if not 0 <= level <= SEVERITIES:
        closest = min(max(level, 0), SEVERITIES)
        raise CorruptionError(
            f"severity must be 0 (unchanged) to {SEVERITIES}, got {level}   (nearest: {closest})"
        )
    if not isinstance(key, str | int | np.integer):
        raise CorruptionError(f"key must be the id of the sample, a string or an integer, got {key!r}")
    rng = random_stream(_integer("seed", seed), str(key), corruption.name, corruption.version)
    pixels = to_rgb(image)  # [H, W, 3]
    if level == 0:
        return like(pixels.copy(), image)
    parameters = corruption.parameters(level)
    if corruption.random:
        parameters["rng"] = rng
    return like(_checked(corruption.apply(pixels, **parameters), pixels, corruption), image)


def _integer(what: str, value: Any) -> int:
    if isinstance(value, bool | np.bool_):
        raise CorruptionError(f"{what} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise CorruptionError(f"{what} must be an integer, got {value!r}") from None


def _checked(result: Any, pixels: RGB, corruption: Corruption) -> RGB:
    """Return what a corruption made as an array of its own, or say how it breaks the contract."""
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != pixels.shape:
        got = (
            f"{result.dtype} {list(result.shape)}"
            if isinstance(result, np.ndarray)
            else type(result).__name__
        )
        raise CorruptionError(
            f"corruption '{corruption.name}' must return uint8 {list(pixels.shape)}, returned {got}"
        )
    return result.copy() if np.may_share_memory(result, pixels) else np.ascontiguousarray(result)
