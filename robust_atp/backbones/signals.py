"""Attention signals by name: which layer of a vision tower, and what is kept of its attention."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from robust_atp.backbones.attention import REDUCTIONS, Reduction

LAYERS = ("projected", "last", *(f"{eighth}/8" for eighth in range(1, 8)))


def attention_signals() -> frozenset[str]:
    """Names of all attention signals of a tower with a CLS token, see ``VisionTokens``."""
    return frozenset(f"{kind}:{layer}" for kind in REDUCTIONS for layer in LAYERS)


def wanted_attention(
    signals: frozenset[str], layers: Sequence[Any], projected: int
) -> dict[str, tuple[nn.Module, Reduction]]:
    """Attention module and reduction behind each attention signal; ``projected`` is the number of that layer."""
    return {
        signal: (
            layers[layer_number(signal, len(layers), projected)].self_attn,
            REDUCTIONS[signal.partition(":")[0]],
        )
        for signal in sorted(signals & attention_signals())
    }


def layer_number(signal: str, layers: int, projected: int) -> int:
    """Which of a tower's layers, from 0, an attention signal means; ``projected`` is the number of that layer."""
    layer = signal.partition(":")[2]
    if layer == "projected":
        return projected
    if layer == "last":
        return layers - 1
    # Published layer numbers are those of 24 layers; a shallower tower has its own at the same depth.
    return max(1, int(int(layer[0]) / 8 * layers + 0.5)) - 1
