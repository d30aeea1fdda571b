"""Control images: what an arm answers when the image no longer tells.

Each control is one function ``(image, stream) -> image`` on uint8 RGB [H, W, 3], pure, of unchanged shape;
``stream(n)`` gives ``n`` random 64-bit integers that depend only on seed and image. One that also has the parameter
``mask`` is given the image's object mask, bool [H, W].
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from robust_atp.registry import Registry

Stream = Callable[[int], np.ndarray]
Control = Callable[..., np.ndarray]

# Part of every unit key: raise it when a control changes its pixels.
VERSION = 1

# As many blocks along a side as a 224-pixel image has patches of 16.
_BLOCKS = 14

CONTROLS: Registry[Control] = Registry(
    "control",
    {
        "blank": "robust_atp.probes.controls:blank",
        "shuffled": "robust_atp.probes.controls:shuffled",
        "objects-removed": "robust_atp.probes.controls:objects_removed",
    },
)


def control(image: np.ndarray, name: str, *, seed: int = 0, key: str = "", **beside: Any) -> np.ndarray:
    """Return the control image ``name`` of ``image``, the same for the same (image, name, seed, key).

    ``beside`` is what the control ``asks_for``.
    """
    return CONTROLS.get(name)(image, _stream(f"{seed}\0{key}\0{name}\0{VERSION}"), **beside)


def asks_for(name: str) -> frozenset[str]:
    """What a control needs beside the image: ``mask``, or nothing."""
    return frozenset(inspect.signature(CONTROLS.get(name)).parameters) & {"mask"}


def blank(image: np.ndarray, _: Stream) -> np.ndarray:
    """One colour: the image's mean. Brightness and tint stay, everything in the scene goes."""
    return np.broadcast_to(image.mean(axis=(0, 1)).round().astype(np.uint8), image.shape).copy()


def shuffled(image: np.ndarray, stream: Stream) -> np.ndarray:
    """14 × 14 blocks in random order: local texture stays, shapes and layout go.

    A block is a 14th of the side, rounded down; the strip of at most 13 pixels that is left over at the right
    and the bottom stays where it is, because resampling would change texture.
    """
    height, width = (side // _BLOCKS for side in image.shape[:2])
    inner = np.s_[: height * _BLOCKS, : width * _BLOCKS]
    tiled = (_BLOCKS, height, _BLOCKS, width, 3)
    blocks = image[inner].reshape(tiled).swapaxes(1, 2).reshape(-1, height, width, 3)  # [196, h, w, 3]
    # Sorting raw integers, since a generator's own permutation may change between NumPy versions.
    order = np.argsort(stream(len(blocks)), kind="stable")
    result = image.copy()
    shape = (_BLOCKS, _BLOCKS, height, width, 3)
    result[inner] = blocks[order].reshape(shape).swapaxes(1, 2).reshape(image[inner].shape)
    return result


def objects_removed(image: np.ndarray, _: Stream, mask: np.ndarray) -> np.ndarray:
    """All objects of the mask painted over from their surroundings: the background stays, what is asked about goes."""
    from corruptions.background import without_objects  # loads OpenCV

    return without_objects(image, mask)


def _stream(key: str) -> Stream:
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(digest, "big")).random_raw
