"""The released imagecorruptions 1.1.2, made to run on today's stack and to draw from a given random state.

It is the independent reference of these tests and never a part of the product. Nothing outside the package's
own module is changed: its global names are replaced by stand-ins, one by one, with the reason beside each.
"""

import importlib.util
import sys
import types
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import skimage.color
import skimage.filters
import skimage.util
from numpy.typing import NDArray
from PIL import Image


class _Numpy(types.ModuleType):
    """NumPy as of 2020, with ``random`` bound to one state."""

    float_ = np.float64  # gone from NumPy 2; used by fog
    random: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _gaussian(image: Any, sigma: Any, multichannel: bool = False, **options: Any) -> Any:
    # ``multichannel`` was replaced by ``channel_axis`` in scikit-image 0.19 and removed in 0.20.
    return skimage.filters.gaussian(image, sigma, channel_axis=-1 if multichannel else None, **options)


@lru_cache(maxsize=1)
def _released() -> types.ModuleType:
    """Load ``imagecorruptions/corruptions.py`` as a module of its own, without running the package."""
    package = importlib.util.find_spec("imagecorruptions")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0])

    # setuptools 82 dropped pkg_resources, which frost asks for its photographs.
    resources: Any = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda _, name: str(folder / name)
    # SciPy deprecates this module's name; the function lives on in scipy.ndimage.
    interpolation: Any = types.ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates
    stand_ins = {"pkg_resources": resources, "scipy.ndimage.interpolation": interpolation}

    spec = importlib.util.spec_from_file_location("released_imagecorruptions", folder / "corruptions.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    hidden = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        spec.loader.exec_module(module)
    finally:
        for name, original in hidden.items():
            if original is None:
                del sys.modules[name]
            else:
                sys.modules[name] = original
    module.gaussian = _gaussian
    module.np = _Numpy("numpy")
    return module


def released(
    image: NDArray[np.uint8], name: str, severity: int, rng: np.random.RandomState
) -> NDArray[np.uint8]:
    """Return what imagecorruptions 1.1.2 makes of ``image`` [H, W, 3] drawing from ``rng``."""
    module: Any = _released()
    module.np.random = rng

    def random_noise(image: Any, **options: Any) -> Any:
        # Unseeded in the release (a fresh default_rng per call): given a Generator over the same bits
        # instead.
        return skimage.util.random_noise(image, rng=np.random.Generator(rng._bit_generator), **options)

    module.sk = types.SimpleNamespace(
        color=skimage.color, util=types.SimpleNamespace(random_noise=random_noise)
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.uint8(getattr(module, name)(Image.fromarray(image), severity))  # type: ignore[return-value]
