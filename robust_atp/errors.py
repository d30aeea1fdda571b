"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: names the thing, the rule, what came and the nearest valid value.

    The command line prints it without a traceback and exits with code 2.
    """


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``"   (did you mean 'x'?)"`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"   (did you mean '{close[0]}'?)" if close else ""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UserError:
    """Build the error for a name that a registry does not hold."""
    known = sorted(allowed)
    return UserError(f"{kind} '{name}' is not one of: {', '.join(known)}{nearest(name, known)}")
