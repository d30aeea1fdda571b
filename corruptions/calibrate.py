"""What a severity means on somebody's own images: distance level by level, and ladders of equal distance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from PIL import Image

from corruptions.apply import ladder
from corruptions.corruption import SEVERITIES, Corruption
from corruptions.errors import CorruptionError
from corruptions.images import RGB, to_rgb
from corruptions.quality import psnr, ssim
from corruptions.registry import find

SATURATED = 0.5  # dB between two severities that can hardly be told apart
CLOSE_ENOUGH = 0.05  # dB, of a matched ladder
HALVINGS = 12
INFINITE = 100.0  # dB, stands for equal images so that means stay finite


class Images(Protocol):
    """Images that are looked at one by one: a list, or something that reads files when asked."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> RGB | Image.Image: ...


@dataclass(frozen=True)
class Level:
    """How far one severity is from the clean images: means over the images."""

    corruption: str
    severity: float
    psnr: float  # dB
    ssim: float  # 1 for equal images
    accuracy: float | None = None


@dataclass(frozen=True)
class Calibration:
    """One ladder, and what is odd about it in words."""

    levels: tuple[Level, ...]
    remarks: tuple[str, ...]


def calibrate(
    images: Images,
    names: Iterable[str | Corruption],
    *,
    seed: int = 0,
    accuracy: Mapping[tuple[str, int], float] | None = None,
) -> list[Calibration]:
    """Measure severity 1 to 5 of each type on ``images``: mean PSNR and SSIM, and remarks.

    A remark names a severity that is nearer to the clean image than the one before (by PSNR, by SSIM, or by
    ``accuracy``, a model's accuracy by name and severity), and one that is less than 0.5 dB further away.
    """
    return [_calibration(images, _image_type(name), seed, accuracy or {}) for name in names]


def matched(
    images: Images, name: str | Corruption, decibels: Sequence[float], *, seed: int = 0
) -> Corruption:
    """Return the type with five new severities, whose mean PSNR on ``images`` is that of ``decibels``.

    Parameters come from interpolating the table, so what it cannot reach is a ``CorruptionError`` that says
    what it reaches. The new type is called ``<name>.matched``: it is another ladder with another record.
    """
    corruption = _image_type(name)
    if len(decibels) != SEVERITIES or any(after >= before for before, after in pairwise(decibels)):
        raise CorruptionError(f"a matched ladder needs {SEVERITIES} falling PSNR in dB, got {list(decibels)}")
    # The name is part of the random stream, so the search draws what the new type will draw.
    corruption = replace(corruption, name=f"{corruption.name}.matched")
    found = [_severity_at(images, corruption, target, seed) for target in decibels]
    rows = [corruption.parameters(severity) for severity in found]
    table = {parameter: tuple(row[parameter] for row in rows) for parameter in corruption.severity}
    return replace(corruption, severity=table)


def _image_type(name: str | Corruption) -> Corruption:
    corruption = name if isinstance(name, Corruption) else find(name)
    if corruption.medium != "image" or {"mask", "donor"} & corruption.asks_for:
        raise CorruptionError(
            f"corruption '{corruption.name}' cannot be calibrated: it needs more than an image, or is of text"
        )
    return corruption


def _calibration(
    images: Images, corruption: Corruption, seed: int, accuracy: Mapping[tuple[str, int], float]
) -> Calibration:
    severities = range(1, SEVERITIES + 1)
    measured = _distances(images, corruption, severities, seed)
    levels = tuple(
        Level(corruption.name, severity, *distance, accuracy.get((corruption.name, severity)))
        for severity, distance in zip(severities, measured, strict=True)
    )
    return Calibration(levels, tuple(remark for pair in pairwise(levels) for remark in _remarks(*pair)))


def _remarks(before: Level, after: Level) -> Iterable[str]:
    step = f"severity {after.severity:g}"
    if after.psnr > before.psnr:
        yield f"{step} is nearer to the image than {before.severity:g}: {after.psnr:.1f} > {before.psnr:.1f} dB"
    elif before.psnr - after.psnr < SATURATED:
        yield f"{step} is hardly further than {before.severity:g}: {after.psnr:.1f} after {before.psnr:.1f} dB"
    if after.ssim > before.ssim:
        yield f"{step} looks more like the image than {before.severity:g}: SSIM {after.ssim:.3f} > {before.ssim:.3f}"
    if before.accuracy is not None and after.accuracy is not None and after.accuracy > before.accuracy:
        yield (
            f"{step} is easier than {before.severity:g}: "
            f"accuracy {100 * after.accuracy:.1f} > {100 * before.accuracy:.1f} %"
        )


def _distances(
    images: Images, corruption: Corruption, severities: Sequence[float], seed: int
) -> list[tuple[float, float]]:
    """Return (PSNR, SSIM) of each severity, averaged over the images, which are held one at a time."""
    if not len(images):
        raise CorruptionError("a calibration needs at least one image, got none")
    sums = np.zeros((len(severities), 2))
    for key in range(len(images)):
        clean = to_rgb(images[key])
        for row, level in zip(sums, ladder(clean, corruption, severities, seed, key), strict=True):
            row += min(psnr(clean, level), INFINITE), ssim(clean, level)
    return [(float(decibel), float(similarity)) for decibel, similarity in sums / len(images)]


def _severity_at(images: Images, corruption: Corruption, target: float, seed: int) -> float:
    """Find a severity in [1, 5] of a mean PSNR by bisection between the two whole severities around it."""
    whole = [decibel for decibel, _ in _distances(images, corruption, range(1, SEVERITIES + 1), seed)]
    for below, (high, low) in enumerate(pairwise(whole), start=1):
        if low <= target <= high:
            return _bisect(images, corruption, target, seed, float(below), below + 1.0)
    raise CorruptionError(
        f"corruption '{corruption.name}' has no severity of {target:g} dB on these images: severity 1 to 5 reach "
        f"{', '.join(f'{decibel:.1f}' for decibel in whole)} dB"
    )


def _bisect(
    images: Images, corruption: Corruption, target: float, seed: int, near: float, far: float
) -> float:
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        ((decibel, _),) = _distances(images, corruption, [middle], seed)
        if abs(decibel - target) < CLOSE_ENOUGH:
            return middle
        near, far = (middle, far) if decibel > target else (near, middle)
    return (near + far) / 2
