"""The two functions of the package imagecorruptions: change an import, keep the calls.

    from corruptions.drop_in import corrupt, get_corruption_names

Names, numbers, severities and images are those of imagecorruptions 1.1.2.
Randomness is not: that package draws from NumPy's global state, so its results depend on what was drawn before. Here
they depend on the image, the type and ``seed``.
"""

from numbers import Real
from typing import Any

import numpy as np

from corruptions.apply import corrupt as corrupt_by_name
from corruptions.errors import CorruptionError, nearest
from corruptions.images import RGB
from corruptions.registry import names
from corruptions.streams import pixel_key

_SUBSETS = {"validation": "extra"}
_GROUPS = ("common", "validation", "all", "noise", "blur", "weather", "digital")


def get_corruption_names(subset: str = "common") -> list[str]:
    """Return the names of a subset: common, validation, all, noise, blur, weather or digital."""
    if subset not in _GROUPS:
        raise CorruptionError(
            f"subset must be one of {', '.join(_GROUPS)}, got {subset!r}{nearest(subset, _GROUPS)}"
        )
    return names(_SUBSETS.get(subset, subset))


def corrupt(
    image: RGB,
    severity: int = 1,
    corruption_name: str | None = None,
    corruption_number: int = -1,
    *,
    seed: int = 0,
    key: str | None = None,
) -> Any:
    """Return a corrupted copy of uint8 ``image`` [H, W, 3] (or [H, W], made [H, W, 3]), sides of at least 32 px.

    ``severity``: 1 to 5. The type is that of ``corruption_name`` or, without one, ``corruption_number`` in
    ``get_corruption_names("all")``. ``key`` is the id of the sample, by default a hash of its pixels, so that
    two images do not share their noise although nobody names them.
    """
    every = get_corruption_names("all")
    if corruption_name is None:
        whole = isinstance(corruption_number, int | np.integer)
        if not (whole and 0 <= corruption_number < len(every)):
            raise CorruptionError(
                f"give corruption_name, or a corruption_number of 0 to {len(every) - 1}, got {corruption_number!r}"
            )
        corruption_name = every[corruption_number]
    elif corruption_name not in every:
        raise CorruptionError(
            f"corruption_name '{corruption_name}' is not one of: {', '.join(every)}{nearest(corruption_name, every)}"
        )
    if not (isinstance(severity, Real) and severity in (1, 2, 3, 4, 5)):
        raise CorruptionError(f"severity must be an integer from 1 to 5, got {severity!r}")
    image = np.stack([image] * 3, axis=2) if isinstance(image, np.ndarray) and image.ndim == 2 else image
    return corrupt_by_name(image, corruption_name, severity, seed, pixel_key(image) if key is None else key)
