"""What the contract asks of a corruption of images."""

from collections.abc import Callable
from itertools import pairwise
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from corruptions.apply import corrupt, ladder
from corruptions.corruption import SEVERITIES, Corruption, keywords
from corruptions.images import RGB
from corruptions.quality import psnr

SIZES = ((32, 32), (33, 47), (32, 160), (224, 224))  # smallest, odd, narrow, usual
LEVELS = range(1, SEVERITIES + 1)
SLOW = 0.1  # seconds


def scene(height: int, width: int) -> RGB:
    """Return a smooth coloured scene with some texture, black and white included."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y), np.sin(5 * (x + y))], axis=2)
    texture = np.random.RandomState(0).normal(scale=0.1, size=(height, width, 1))
    return np.clip(128 + 140 * (waves + texture), 0, 255).astype(np.uint8)


def ellipse(height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of an object in the middle of an image: bool [H, W]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return x**2 + y**2 < 0.3


def example(corruption: Corruption, severity: float, seed: int = 0) -> RGB:
    """Corrupt a small scene."""
    return _corrupted(scene(64, 80), corruption, severity, seed)


def _corrupted(image: RGB, corruption: Corruption, severity: float, seed: int = 0) -> RGB:
    mask = ellipse(*image.shape[:2])
    return corrupt(image, corruption, severity, seed, mask=mask, donor=image[::-1, ::-1])


def _ladder(image: RGB, corruption: Corruption) -> list[RGB]:
    return ladder(image, corruption, LEVELS, mask=ellipse(*image.shape[:2]), donor=image[::-1, ::-1])


def _size_and_type(corruption: Corruption) -> str:
    # corrupt() itself refuses a result of another type or size.
    for height, width in SIZES:
        for severity in LEVELS:
            _corrupted(scene(height, width), corruption, severity)
    return ""


def _flat_images(corruption: Corruption) -> str:
    for level in (0, 128, 255):
        for severity in LEVELS:
            _corrupted(np.full((32, 40, 3), level, np.uint8), corruption, severity)
    return ""


def _input_untouched(corruption: Corruption) -> str:
    # Called directly: corrupt() passes a view that cannot be written to.
    image = scene(33, 47)
    before, offered = image.copy(), {"mask": ellipse(33, 47), "donor": image[::-1, ::-1].copy()}

    def given(function: Callable[..., object]) -> dict[str, object]:
        fresh = offered | {"rng": np.random.RandomState(0)}
        return {name: fresh[name] for name in fresh.keys() & keywords(function)}

    for severity in LEVELS:
        shared = {"shared": corruption.shared(image, **given(corruption.shared))} if corruption.shared else {}
        corruption.apply(image, **corruption.parameters(severity), **given(corruption.apply), **shared)
        if not np.array_equal(image, before):
            return f"severity {severity} changes the image that it is given"
    return ""


def _ladder_is_single_calls(corruption: Corruption) -> str:
    for severity, level in zip(LEVELS, _ladder(scene(33, 47), corruption), strict=True):
        if not np.array_equal(level, _corrupted(scene(33, 47), corruption, severity)):
            return f"severity {severity} differs inside a ladder: it changes what the severities share"
    return ""


def _effective(corruption: Corruption) -> str:
    image = scene(64, 80)
    for severity, level in zip(LEVELS, _ladder(image, corruption), strict=True):
        if np.array_equal(level, image):
            return f"severity {severity} leaves the image unchanged"
    return ""


def _monotone(corruption: Corruption) -> str:
    image = scene(224, 224)
    decibels = [psnr(image, level) for level in _ladder(image, corruption)]
    for severity, (before, after) in enumerate(pairwise(decibels), start=2):
        if after > before:
            return f"severity {severity} ({after:.1f} dB) is nearer to the image than {severity - 1} ({before:.1f})"
    return ""


def _quick(corruption: Corruption) -> str:
    image = scene(336, 336)
    _corrupted(image, corruption, SEVERITIES)  # tables are made once
    start = thread_time()
    _corrupted(image, corruption, SEVERITIES)
    seconds = thread_time() - start
    return f"{1000 * seconds:.0f} ms of CPU time for 336 x 336 px" if seconds > SLOW else ""


RULES: dict[str, Callable[[Corruption], str]] = {
    "uint8 [H, W, 3] in and out at any size from 32 px": _size_and_type,
    "black, grey and white images pass without a warning": _flat_images,
    "the input is not changed": _input_untouched,
    "a ladder is its single calls": _ladder_is_single_calls,
    "every severity changes a textured image": _effective,
}
ADVICE: dict[str, Callable[[Corruption], str]] = {
    "each severity is further from the image than the one before": _monotone,
    f"takes at most {1000 * SLOW:.0f} ms": _quick,
}
