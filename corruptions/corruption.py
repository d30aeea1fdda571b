"""What a corruption is: a pure function and its severity table, as data."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from corruptions.errors import CorruptionError, nearest

SEVERITIES = 5
CONTEXT = ("mask", "donor")  # what a type may need beside the image
RESERVED = ("rng", "shared", *CONTEXT)


@dataclass(frozen=True)
class Corruption:
    """One type of corruption, of images or of text.

    ``apply(image, **parameters)`` takes and returns uint8 [H, W, 3], or a string if ``medium`` is "text".
    ``severity`` holds five values per parameter, mildest first. ``version`` is part of the random stream and of
    whatever is cached or recorded: raise it with every change that changes a pixel.

    What else a function gets, it asks for by keyword: ``rng``, its own ``np.random.RandomState``; ``mask``, bool
    [H, W], True on the objects; ``donor``, another image; ``shared``, what the function ``shared`` of the type
    made of the image (and, by the same keywords, of ``rng``, ``mask`` and ``donor``). ``shared`` runs once for
    all severities of an image: it is the place for draws and for work that severity does not change.
    """

    name: str
    family: str
    apply: Callable[..., Any]
    severity: Mapping[str, tuple[Any, ...]] = field(hash=False)
    version: int = 1
    summary: str = ""
    shared: Callable[..., Any] | None = None
    medium: Literal["image", "text"] = "image"

    @property
    def asks_for(self) -> frozenset[str]:
        """Which of ``rng``, ``mask`` and ``donor`` the type takes."""
        asked = keywords(self.apply) | (keywords(self.shared) if self.shared else frozenset())
        return asked & {"rng", *CONTEXT}

    @property
    def random(self) -> bool:
        """Whether the result depends on seed and key."""
        return "rng" in self.asks_for

    def parameters(self, severity: float, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the parameters of a severity in [1, 5], with some of them replaced.

        Between whole severities numbers are interpolated linearly; where the function annotates the parameter
        as ``int`` the result is rounded, half up. ``CorruptionError`` where there is nothing between two
        values, and for an override that is no parameter or of another kind than its table.
        """
        below = min(math.floor(severity), SEVERITIES - 1)
        values = {
            name: self._between(name, table[below - 1], table[below], severity - below)
            for name, table in self.severity.items()
            if name not in (overrides or {})
        }
        for name in overrides or {}:
            if name not in self.severity:
                raise CorruptionError(
                    f"corruption '{self.name}' has no parameter '{name}', it has: "
                    f"{', '.join(self.severity)}{nearest(name, self.severity)}"
                )
            self._check_kind(name, (overrides or {})[name])
        return values | dict(overrides or {})

    def _check_kind(self, name: str, value: Any) -> None:
        """Raise where an override is no number and the table has numbers, or no word of a table of words."""
        table, known = self.severity[name], f"corruption '{self.name}': '{name}' must be"
        if all(map(_is_number, table)) and not (_is_number(value) and math.isfinite(value)):
            raise CorruptionError(f"{known} a number, as in {table}, got {value!r}")
        if all(isinstance(entry, str) for entry in table) and value not in table:
            raise CorruptionError(f"{known} one of: {', '.join(dict.fromkeys(table))}, got {value!r}")
        if self._whole(name) and _is_number(value) and value != math.floor(value):
            raise CorruptionError(f"{known} a whole number, as in {table}, got {value!r}")

    def _whole(self, parameter: str) -> bool:
        return inspect.signature(self.apply).parameters[parameter].annotation in (int, "int")

    def _between(self, name: str, low: Any, high: Any, share: float) -> Any:
        if share in (0, 1) or low == high:
            return high if share == 1 else low
        if not (_is_number(low) and _is_number(high)):
            raise CorruptionError(
                f"corruption '{self.name}' has no severity between these two, because '{name}' goes from "
                f"{low!r} to {high!r}; take a whole number"
            )
        value = low + share * (high - low)
        return math.floor(value + 0.5) if self._whole(name) else value


@lru_cache(maxsize=256)
def keywords(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of what a function takes after its first argument."""
    return frozenset(list(inspect.signature(function).parameters)[1:])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
