"""Weights of trained pruners for the tiny checkpoint: random, but in real files that go through the same loading."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from robust_atp.backbones.flops import TowerShape
from robust_atp.backbones.llava import Llava
from robust_atp.pruning.methods.atp_llava import Shift, heads_for, pack
from robust_atp.pruning.token_selector import build_selectors
from robust_atp.pruning.tower import InsideTower
from robust_atp.pruning.trained import OwnWeights, save_weights


def atp_llava(layers: int) -> dict[str, Tensor]:
    """Thresholds that depend on the prompt as much as they can, and a shift that keeps more the larger the budget."""
    heads = heads_for(layers)
    generator = torch.Generator().manual_seed(0)
    for head in heads.values():
        for weight in head.parameters():
            weight.data = 0.7 * torch.randn(weight.shape, generator=generator)
    rows = (1 / 16, 0.25, 0.5, 1.0)
    shares = tuple((row,) + (0.9 * row,) * (len(heads) - 1) for row in rows)
    return pack(heads, Shift((1.0, 0.5, 0.2, -1.0), shares))


def heatvit(tower: TowerShape) -> dict[str, Tensor]:
    """Selectors whose scores spread more than they do at the start of training."""
    selectors = build_selectors(tower, InsideTower(()).depths(tower))
    generator = torch.Generator().manual_seed(0)
    for weight in selectors.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return selectors.state_dict()


WEIGHTS: dict[str, Callable[[Llava], dict[str, Tensor]]] = {
    "atp-llava": lambda backbone: atp_llava(backbone.shape.layers),
    "heatvit": lambda backbone: heatvit(backbone._tower_shape),
}


def write(method: str, backbone: Llava, folder: Path) -> Path:
    """Write weights of ``method`` for ``backbone`` and return the file."""
    path = folder / f"{method}.safetensors"
    tensors = WEIGHTS[method](backbone)
    save_weights(OwnWeights(method, backbone.name, backbone.revision, tensors, {}), path)
    return path
