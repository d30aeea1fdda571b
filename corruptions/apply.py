"""The one function most callers need, and its twin for all severities of an image at once."""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

import numpy as np
from PIL import Image

from corruptions.corruption import CONTEXT, SEVERITIES, Corruption, keywords
from corruptions.errors import CorruptionError
from corruptions.images import RGB, like, to_mask, to_rgb
from corruptions.registry import find
from corruptions.streams import random_stream

Subject = TypeVar("Subject", RGB, Image.Image, str)
Key = str | int | np.integer


def corrupt(
    image: Subject,
    name: str | Corruption,
    severity: SupportsFloat,
    seed: SupportsIndex = 0,
    key: Key = "",
    *,
    params: Mapping[str, Any] | None = None,
    mask: Any = None,
    donor: Any = None,
) -> Subject:
    """Return a corrupted copy of ``image``, of the same kind and size.

    ``image``: uint8 array [H, W, 3] or PIL image, 32 to 16,383 px on both sides; other colour modes are
    converted to RGB with a ``ConversionWarning``. A string for the types of ``names("text")``. ``name``: one of
    ``names("registered")``, ``"module:name"``, ``"path/to/file.py:name"`` or a ``Corruption``.

    ``severity``: 1..5; 0 returns an unchanged copy. Between two whole numbers the numbers of the severity table
    are interpolated; between 0 and 1 image and severity 1 are blended. ``params`` replaces entries of the
    table. ``key``: the id of the sample, so that two samples of one data set do not share their noise.
    ``mask`` (bool [H, W], True on the objects) and ``donor`` (another image) are what some types need.

    A pure function of its arguments: no global random state is read or written, the input is not changed, and
    the bytes are the same in every process, thread and order. The severities of one (seed, key) share their
    random draws. Bad input is a ``CorruptionError``.

    The 19 types of ``names("all")`` follow Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to
    Common Corruptions and Perturbations" (ICLR 2019) with the parameters and conventions of the package
    imagecorruptions 1.1.2, so that published numbers stay comparable.
    """
    return _levels(image, name, (severity,), seed, key, params, {"mask": mask, "donor": donor})[0]


def ladder(
    image: Subject,
    name: str | Corruption,
    severities: Sequence[SupportsFloat] = tuple(range(1, SEVERITIES + 1)),
    seed: SupportsIndex = 0,
    key: Key = "",
    *,
    params: Mapping[str, Any] | None = None,
    mask: Any = None,
    donor: Any = None,
) -> list[Subject]:
    """Return what ``corrupt`` returns at each of ``severities``, sharing the work that severity does not change.

    That is the noise field of the noises, the flakes of snow, the texture of frost, the fractal draws of fog,
    the colour transform of saturate …
    """
    return _levels(image, name, severities, seed, key, params, {"mask": mask, "donor": donor})


def _levels(
    subject: Any,
    name: str | Corruption,
    severities: Sequence[SupportsFloat],
    seed: SupportsIndex,
    key: Key,
    params: Mapping[str, Any] | None,
    context: Mapping[str, Any],
) -> list[Any]:
    corruption = name if isinstance(name, Corruption) else find(name)
    if not isinstance(severities, Iterable):
        raise CorruptionError(f"severities must be a sequence of numbers, got {severities!r}")
    levels = [_severity(severity) for severity in severities]
    if isinstance(key, bool) or not isinstance(key, str | int | np.integer):
        raise CorruptionError(f"key must be the id of the sample, a string or an integer, got {key!r}")
    identity = (_integer("seed", seed), str(key), corruption.name, corruption.version)
    clean = _text(subject, corruption) if corruption.medium == "text" else to_rgb(subject)
    extra = _context(corruption, clean, context)

    def given(function: Any) -> dict[str, Any]:
        asked = keywords(function)
        rng = {"rng": random_stream(*identity)} if "rng" in asked else {}
        return rng | {what: value for what, value in extra.items() if what in asked}

    shared: dict[str, Any] = {}
    if corruption.shared is not None and any(levels):
        shared["shared"] = corruption.shared(clean, **given(corruption.shared))
    results = []
    for level in levels:
        if level == 0:
            result = clean if isinstance(clean, str) else clean.copy()
        else:
            parameters = corruption.parameters(max(level, 1), params)
            try:
                made = corruption.apply(clean, **parameters, **given(corruption.apply), **shared)
            # With the table's own parameters it is a bug, to be seen as it is.
            except Exception as error:
                if not params:
                    raise
                raise CorruptionError(
                    f"corruption '{corruption.name}' cannot work with {dict(params)}: {error}"
                ) from error
            result = _checked(made, clean, corruption)
            result = result if level >= 1 else _blended(clean, result, level, corruption)
        results.append(result if isinstance(result, str) else like(result, subject))
    return results


def _severity(severity: Any) -> float:
    if isinstance(severity, bool | np.bool_) or not isinstance(severity, Real) or math.isnan(severity):
        raise CorruptionError(f"severity must be a number, got {severity!r}")
    value = float(severity)
    if not 0 <= value <= SEVERITIES:
        closest = 0 if value < 0 else SEVERITIES
        raise CorruptionError(
            f"severity must be 0 (unchanged) to {SEVERITIES}, got {severity}   (nearest: {closest})"
        )
    return value


def _integer(what: str, value: Any) -> int:
    if isinstance(value, bool | np.bool_):
        raise CorruptionError(f"{what} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise CorruptionError(f"{what} must be an integer, got {value!r}") from None


def _text(subject: Any, corruption: Corruption) -> str:
    if not isinstance(subject, str):
        raise CorruptionError(
            f"corruption '{corruption.name}' is of text and needs a string, got {type(subject).__name__}"
        )
    return subject


def _context(corruption: Corruption, clean: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """Check what the type needs beside the image; what it does not need is not looked at."""
    needed = {what: context[what] for what in CONTEXT if what in corruption.asks_for}
    for what, value in needed.items():
        if value is None:
            meaning = {"mask": "a bool array [H, W], True on the objects", "donor": "another image"}[what]
            raise CorruptionError(f"corruption '{corruption.name}' needs {what}=, {meaning}")
    check = {"mask": lambda mask: to_mask(mask, clean), "donor": _donor}
    return {what: check[what](value) for what, value in needed.items()}


def _donor(image: Any) -> RGB:
    try:
        return to_rgb(image)
    except CorruptionError as error:
        raise CorruptionError(f"donor: {error}") from None


def _checked(result: Any, clean: Any, corruption: Corruption) -> Any:
    """Return what a corruption made as an array of its own, or say how it breaks the contract."""
    if isinstance(clean, str):
        if isinstance(result, str):
            return result
        raise CorruptionError(
            f"corruption '{corruption.name}' must return a string, returned {type(result).__name__}"
        )
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != clean.shape:
        got = (
            f"{result.dtype} {list(result.shape)}"
            if isinstance(result, np.ndarray)
            else type(result).__name__
        )
        raise CorruptionError(
            f"corruption '{corruption.name}' must return uint8 {list(clean.shape)}, returned {got}"
        )
    return result.copy() if np.may_share_memory(result, clean) else np.ascontiguousarray(result)


def _blended(clean: Any, mildest: Any, share: float, corruption: Corruption) -> Any:
    """Return the image between severity 0 and 1, for which the table has no entry."""
    if isinstance(clean, str):
        raise CorruptionError(
            f"corruption '{corruption.name}' is of text and has nothing between severity 0 and 1, got {share}"
        )
    return np.rint(clean + share * (mildest.astype(np.float32) - clean)).astype(np.uint8)
