"""Trained methods with random weights, for a backbone that nobody trained them on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from torch import Tensor

from robust_atp.backbones.flops import DecoderShape, TowerShape
from robust_atp.backbones.seam import Backbone
from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner
from robust_atp.pruning.method import Method
from robust_atp.pruning.methods.atp_llava import Shift, heads_for, pack
from robust_atp.pruning.token_selector import build_selectors
from robust_atp.pruning.tower import InsideTower
from robust_atp.pruning.trained import OwnWeights, save_weights


@dataclass(frozen=True)
class Outline:
    """As much of a backbone as a trained method looks at when it loads its weights."""

    shape: DecoderShape
    tower: TowerShape
    provides: frozenset[str] = frozenset()
    has_text_tower: bool = True
    drops_inside: bool = True
    name: str = "stand-in"
    revision: str = "random"


def _atp_llava(backbone: Outline) -> Mapping[str, Tensor]:
    # Untrained thresholds are all near one value, which the shift moves across the scores.
    shares = tuple((share,) * 3 for share in (0.01, 0.5, 1.0))
    return pack(heads_for(backbone.shape.layers), Shift((1.0, 0.0, -1.0), shares))


def _heatvit(backbone: Outline) -> Mapping[str, Tensor]:
    return build_selectors(backbone.tower, InsideTower(()).depths(backbone.tower)).state_dict()


_TENSORS: dict[str, Callable[[Outline], Mapping[str, Tensor]]] = {
    "atp-llava": _atp_llava,
    "heatvit": _heatvit,
}


def ready(name: str, backbone: Outline, seed: int) -> Method:
    """The method by that name; a trained one reads random weights from a file as it would read its own.

    ``UserError`` for a trained method of which it is not known here what its weights are.
    """
    method = build_pruner(name)
    if not method.trained:
        return method
    if name not in _TENSORS:
        raise UserError(f"pruner '{name}' is trained, and there are no random weights for it")
    with torch.random.fork_rng(), TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        path = Path(folder) / "weights.safetensors"
        own = OwnWeights(name, backbone.name, backbone.revision, _TENSORS[name](backbone), {})
        save_weights(own, path)
        return build_pruner(name, {"weights": str(path)}).on(cast(Backbone, backbone))
