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
    photo = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    photo.setflags(write=False)
    return photo


# Images smaller than the photographs, which is most of them, share one size of each; 8 leaves room for a few large ones.
@lru_cache(maxsize=8)
def frost_photo_resized(index: int, height: int, width: int) -> RGB:
    """Return frost photograph ``index`` at a size, read-only."""
    resized = cv2.resize(frost_photo(index), (width, height), interpolation=cv2.INTER_CUBIC)
    resized.setflags(write=False)
    return resized
