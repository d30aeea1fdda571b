"""Pruning methods: what makes a visual token important, how many stay, which, and at what positions."""

import importlib
from typing import TYPE_CHECKING, Any

from robust_atp.pruning.building import PRUNERS, build_pruner, label

if TYPE_CHECKING:
    from robust_atp.pruning.keeping import keep_indices
    from robust_atp.pruning.method import Method

__all__ = ["PRUNERS", "Method", "build_pruner", "keep_indices", "label"]

# These import torch, which takes seconds; checking the names in a study file must not.
_LAZY = {"Method": "robust_atp.pruning.method", "keep_indices": "robust_atp.pruning.keeping"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
