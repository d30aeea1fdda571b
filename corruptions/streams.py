"""Random streams that depend on what is corrupted, never on when, where or by whom."""

from hashlib import blake2b

import numpy as np

# Part of every key: a change of the recipe below must change every stream, not silently some of them.
RECIPE = "corruptions/1"


def random_stream(seed: int, key: str, name: str, version: int) -> np.random.RandomState:
    """Return the stream of one (seed, sample key, corruption, version).

    ``Philox(key = blake2b-128(recipe, seed, name, version, key))``, drawn through ``RandomState``. Philox is
    counter-based: 2^128 keys give independent streams at the price of one hash (10 µs). ``RandomState`` is
    used for its promise (NEP 19) that its distribution algorithms are frozen, whereas those of ``Generator``
    may change with any NumPy release; the pair gives the same draws in every NumPy version.

    The severity is no part of the key, so the five severities of one image share their draws (common random
    numbers): a severity curve then shows the severity and not five different noise fields.
    """
    # The free-form sample key comes last: the other fields hold no zero byte, so no two tuples read the same.
    text = "\0".join((RECIPE, str(seed), name, str(version), key))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(digest, "little")))


def pixel_key(pixels: np.ndarray) -> str:
    """Return a key for an image that nobody has named: a hash of its pixels, 16 hex digits."""
    return blake2b(np.asarray(pixels).tobytes(), digest_size=8).hexdigest()
