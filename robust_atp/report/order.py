"""In which order corruptions are shown, and what they are called in print."""

from collections.abc import Iterable

from corruptions import names

_FAMILIES = ("noise", "blur", "weather", "digital", "extra")


def by_family(present: Iterable[str]) -> list[str]:
    """Sort into noise, blur, weather, digital and extra, each in its published order; all others come last."""
    known = [name for family in _FAMILIES for name in names(family)]
    remaining = set(present)
    return [name for name in dict.fromkeys(known) if name in remaining] + sorted(remaining - set(known))


def readable(name: str) -> str:
    """``gaussian_noise`` -> ``gaussian noise``."""
    return name.replace("_", " ")
