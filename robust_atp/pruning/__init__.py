"""Pruning methods: what makes a visual token important, how many stay, which, and at what positions."""

from robust_atp.pruning.building import PRUNERS, build_pruner, label
from robust_atp.pruning.keeping import keep_indices
from robust_atp.pruning.method import Method

__all__ = ["PRUNERS", "Method", "build_pruner", "keep_indices", "label"]
