"""What goes wrong with an image or a name, and what is worth a word without being wrong."""

import difflib
from collections.abc import Iterable


class CorruptionError(ValueError):
    """Bad input: the message names the thing, the rule, what came and the nearest valid value."""


class ConversionWarning(UserWarning):
    """An image was converted to RGB before it was corrupted, so the output is RGB too."""


def nearest(name: object, allowed: Iterable[str]) -> str:
    """Return ``"   (did you mean 'x'?)"`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"   (did you mean '{close[0]}'?)" if close else ""
