"""How a corruption is declared, and how one is found by name."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar

from corruptions.catalogue import BUILT_IN, COMMON, EXTRA, FAMILIES, MORE
from corruptions.corruption import CONTEXT, RESERVED, SEVERITIES, Corruption, keywords
from corruptions.errors import CorruptionError, nearest
from corruptions.sources import load_source

ENTRY_POINTS = "robust_atp.corruptions"

SUBSETS = ("common", "extra", "all", *FAMILIES, *MORE, "registered")

Function = TypeVar("Function", bound=Callable[..., Any])


# The one process-wide table: a decorator in a user's file has nowhere else to leave what it decorates.
_registered: dict[str, Corruption] = {}


def register(
    name: str,
    *,
    family: str,
    severity: Mapping[str, Sequence[Any]],
    version: int = 1,
    summary: str = "",
    shared: Callable[..., Any] | None = None,
    medium: Literal["image", "text"] = "image",
    override: bool = False,
) -> Callable[[Function], Function]:
    """Make a function known as the corruption ``name``; the function itself is returned unchanged.

        @register("rolling_shutter", family="capture", severity={"shear": [0.01, 0.02, 0.04, 0.06, 0.09]})
        def rolling_shutter(image, *, rng, shear): ...      # uint8 [H, W, 3] in and out, any size from 32 px

    ``Corruption`` says what the arguments mean and what a function can ask for. ``summary`` defaults to the first
    line of the docstring. A name that is taken, a table without five values per parameter, and parameters that
    the function does not take are a ``CorruptionError``.
    """

    def decorate(function: Function) -> Function:
        first_line = (inspect.getdoc(function) or "").partition("\n")[0]
        table = {parameter: tuple(values) for parameter, values in severity.items()}
        corruption = Corruption(name, family, function, table, version, summary or first_line, shared, medium)
        _check(corruption)
        ours = function.__module__ == f"{__package__}.{BUILT_IN.get(name)}"
        if name in BUILT_IN and not ours:
            find(name)  # so that our own module, imported later, does not take the name back
        if name in _registered and not override:
            raise CorruptionError(
                f"corruption '{name}' is already registered; take another name or pass override=True"
            )
        _registered[name] = corruption
        return function

    return decorate


def find(name: str) -> Corruption:
    """Return the corruption called ``name``.

    A name is looked up among those registered in this process and our own, then among the entry points
    ``robust_atp.corruptions`` of installed packages. ``"package.module:name"`` and ``"path/to/file.py:name"``
    are imported first, which is how a study file reaches a user's own code in every worker process.
    """
    if not isinstance(name, str):
        raise CorruptionError(f"corruption name must be a string, got {name!r}")
    if name not in _registered and name in BUILT_IN:
        _import_built_in(name)
    if name in _registered:
        return _registered[name]
    reference = name if ":" in name else _installed().get(name)
    if reference is None:
        known = names("registered")
        raise CorruptionError(f"corruption '{name}' is not one of: {', '.join(known)}{nearest(name, known)}")
    return _load(reference)


def names(subset: str = "common") -> list[str]:
    """Return the names of a subset, in the order of ImageNet-C.

    ``common``: the 15 of ImageNet-C; ``noise`` (3), ``blur`` (4), ``weather`` (4), ``digital`` (4): its
    families; ``extra``: its 4 validation types; ``all``: these 19. Beyond them: ``imagenet_c_bar`` (10),
    ``occlusion``, ``camera``, ``transport``, ``background`` and, for questions, ``text``. ``registered``:
    everything, with what installed packages and ``register`` have added.
    """
    if subset == "common":
        return list(COMMON)
    if subset == "extra":
        return list(EXTRA)
    if subset == "all":
        return [*COMMON, *EXTRA]
    if subset in FAMILIES:
        return [name for name, family in COMMON.items() if family == subset]
    if isinstance(subset, str) and subset in MORE:
        return list(MORE[subset])
    if subset == "registered":
        return [*BUILT_IN, *sorted((_registered.keys() | _installed().keys()) - BUILT_IN.keys())]
    raise CorruptionError(f"subset '{subset}' is not one of: {', '.join(SUBSETS)}{nearest(subset, SUBSETS)}")


def _import_built_in(name: str) -> None:
    try:
        importlib.import_module(f"{__package__}.{BUILT_IN[name]}")
    except ImportError as error:
        if error.name not in ("cv2", None):
            raise
        # On a server without libGL the wheel opencv-python, which imagecorruptions brings, fails like this.
        raise CorruptionError(
            f"corruption '{name}' needs OpenCV, which does not import: {error}; without a display use "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        ) from error


def _check(corruption: Corruption) -> None:
    """Raise where the severity table and the function do not fit together."""
    name = corruption.name
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise CorruptionError(f"corruption name '{name}' may hold letters, digits and _ . - only")
    for parameter, values in corruption.severity.items():
        if len(values) != SEVERITIES:
            raise CorruptionError(
                f"corruption '{name}' needs {SEVERITIES} values of '{parameter}', got {len(values)}"
            )
        if parameter in RESERVED:
            raise CorruptionError(f"corruption '{name}': a parameter cannot be called '{parameter}'")
    if "shared" in keywords(corruption.apply) and "rng" in keywords(corruption.apply):
        raise CorruptionError(
            f"corruption '{name}': with 'shared', draw from 'rng' there and not in the function"
        )
    offered = {"rng", *CONTEXT}
    _bind(corruption, corruption.apply, {*corruption.severity, *(keywords(corruption.apply) & offered)})
    if corruption.shared is not None:
        _bind(corruption, corruption.shared, keywords(corruption.shared) & offered)


def _bind(corruption: Corruption, function: Callable[..., Any], given: Iterable[str]) -> None:
    given = {*given, *(["shared"] if corruption.shared and function is corruption.apply else [])}
    try:
        inspect.signature(function).bind(None, **dict.fromkeys(given))
    except TypeError as error:
        raise CorruptionError(
            f"corruption '{corruption.name}': {function.__name__}() does not fit its table: {error}"
        ) from error


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    """Name -> reference of the entry points; reading them takes milliseconds, so once per process."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def _load(reference: str) -> Corruption:
    """Import the left half of ``"module:name"`` and return what it registers as the right half."""
    module, attribute = load_source(reference)
    target = getattr(module, attribute, None)
    if isinstance(target, Corruption):
        return target
    for corruption in tuple(_registered.values()):
        if corruption.apply is target or (
            corruption.name == attribute and corruption.apply.__module__ == module.__name__
        ):
            return corruption
    raise CorruptionError(
        f"corruption '{reference}': {module.__name__} registers no '{attribute}'; decorate it with @register"
    )
