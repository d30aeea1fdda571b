"""Content keys: the same key exactly when the same things decide the bytes."""

import hashlib
import json
from typing import Any


def content_key(value: Any) -> str:
    """blake2b of the canonical JSON of ``value``, 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Lines ``path: old -> new`` for every leaf in which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        pairs = [(f"{path}.{key}", old.get(key), new.get(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return [] if old == new else [f"{path.removeprefix('.')}: {json.dumps(old)} -> {json.dumps(new)}"]
    return [line for place, a, b in pairs for line in differences(a, b, place)]
