"""The photographs of frost that come with the package imagecorruptions."""

import importlib.util
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from corruptions.errors import CorruptionError
from corruptions.images import RGB

# The sixth photograph of the package is never drawn there, so it is not used here.
FROST = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


@lru_cache(maxsize=len(FROST))
def frost_photo(index: int) -> RGB:
    """Return frost photograph ``index`` as read-only uint8 [H, W, 3]."""
    # The package is located but not imported: release 1.1.2 needs pkg_resources, which setuptools 82 dropped.
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None or not spec.submodule_search_locations:
        raise CorruptionError(
            "frost needs the photographs of the package imagecorruptions: pip install imagecorruptions"
        )
    path = Path(spec.submodule_search_locations[0], "frost", FROST[index])
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise CorruptionError(
            f"frost needs a photograph that imagecorruptions does not hold: {path}"
        ) from error
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise CorruptionError(f"frost needs a photograph that cannot be decoded: {path}")
    photo = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    photo.setflags(write=False)
    return photo


# All images smaller than the photographs share one size of each; 8 leaves room for a few larger images.
@lru_cache(maxsize=8)
def frost_photo_resized(index: int, height: int, width: int) -> RGB:
    """Return frost photograph ``index`` at a size, read-only."""
    photo = frost_photo(index)
    resized = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    resized.setflags(write=False)
    return resized
