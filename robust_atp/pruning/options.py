"""Checks of option values, so that a wrong one is refused before anything runs."""

from collections.abc import Sequence
from typing import Any

from robust_atp.errors import UserError, nearest

POSITION_POLICIES = ("compacted", "original")


def one_of(option: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise ``UserError`` unless ``value`` is among ``allowed``."""
    if value not in allowed:
        names = [str(choice) for choice in allowed]
        raise UserError(
            f"{option} must be one of {', '.join(names)}; got {value!r}{nearest(str(value), names)}"
        )


def text(option: str, value: Any) -> None:
    """Raise ``UserError`` unless ``value`` is text."""
    if not isinstance(value, str):
        raise UserError(f"{option} must be text; got {value!r}")


def within(option: str, value: Any, low: float, high: float) -> None:
    """Raise ``UserError`` unless ``value`` is a number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{option} must be a number between {low:g} and {high:g}; got {value!r}")
    if not low <= value <= high:
        closest = min(max(value, low), high) if value == value else low
        raise UserError(
            f"{option} must be between {low:g} and {high:g}; got {value:g}, nearest valid: {closest:g}"
        )


def whole_within(option: str, value: Any, low: int, high: int) -> None:
    """Raise ``UserError`` unless ``value`` is a whole number in [low, high]."""
    within(option, value, low, high)
    if not isinstance(value, int):
        raise UserError(f"{option} must be a whole number; got {value:g}, nearest valid: {round(value)}")
