"""A CLIP vision tower with its projector, and the signals that pruners can ask of the two."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from robust_atp.backbones.attention import captured_attention, captured_input
from robust_atp.backbones.flops import TowerShape
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.backbones.signals import attention_signals, wanted_attention
from robust_atp.backbones.thinning import inner_tower
from robust_atp.errors import UserError

NO_TEXT_TOWER = "name the CLIP model that matches its vision tower with the backbone's option clip"


def clip_signals(has_text_tower: bool) -> frozenset[str]:
    """Names of the signals that ``ClipVision`` can compute."""
    return attention_signals() | {"tower_features"} | ({"joint_patches"} if has_text_tower else set())


def check_clip_tower(backbone: str, config: PretrainedConfig) -> None:
    """Raise ``UserError`` unless a LLaVA-like model has a CLIP tower and drops its CLS token."""
    kind = config.vision_config.model_type
    if kind != "clip_vision_model":
        raise UserError(f"backbone '{backbone}' has a vision tower '{kind}'; supported: clip_vision_model")
    if config.vision_feature_select_strategy != "default":
        raise UserError(
            f"backbone '{backbone}' hands its CLS token to the decoder, which has no place on the grid"
        )


class ClipVision:
    """Vision tower and projector of a LLaVA-like model, and the CLIP model ``clip`` that the tower comes from."""

    def __init__(self, backbone: str, model: PreTrainedModel, clip: str | None) -> None:
        self._backbone = backbone
        self._model: Any = model
        self._clip = clip
        self.tower: Any = self._model.model.vision_tower
        self.projector: Any = self._model.model.multi_modal_projector

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches in what the tower sees at once."""
        side = self.tower.config.image_size // self.tower.config.patch_size
        return side, side

    @property
    def layers(self) -> Any:
        """Layers of the tower, the unprojected last ones included."""
        return inner_tower(self.tower).encoder.layers

    @cached_property
    def shape(self) -> TowerShape:
        """What decides the cost of tower and projector; of several projected layers the deepest counts."""
        return TowerShape.of(self.tower, self.projector, self._projected + 1)

    @cached_property
    def joint_space(self) -> JointSpace:
        """CLIP's joint space, loaded when first needed; ``UserError`` if no matching CLIP model is known."""
        if self._clip is None:
            raise UserError(f"backbone '{self._backbone}' has no text tower: {NO_TEXT_TOWER}")
        return JointSpace.load(
            self._clip, self.tower.config.hidden_size, self._model.dtype, self.tower.device
        )

    def recorded(self, signals: frozenset[str], encode: Callable[[], Any]) -> tuple[Any, dict[str, Tensor]]:
        """Call ``encode``, which runs V views through tower and projector, and record the signals [V, …]."""
        wanted = wanted_attention(signals, self.layers, self._projected)
        inputs: dict[str, Tensor] = {}
        with (
            captured_input(self.projector, "tower_features", inputs),
            captured_attention(self.tower, wanted) as found,
        ):
            output = encode()
        if "joint_patches" in signals:
            normed = inner_tower(self.tower).post_layernorm(output.last_hidden_state[:, 1:])
            found["joint_patches"] = self.joint_space.embed_patches(normed)
        if "tower_features" in signals:
            found |= inputs
        return output, found

    @torch.inference_mode()
    def project(self, tower_features: Tensor) -> Tensor:
        """Map what leaves the tower, or mixtures of it, [..., C] to what the decoder reads [..., D]."""
        return self.projector(tower_features.to(self._model.dtype))

    @property
    def _projected(self) -> int:
        """Number of the layer whose output is projected, the deepest if there are several."""
        layers, chosen = len(self.layers), self._model.config.vision_feature_layer
        deepest = chosen if isinstance(chosen, int) else max(chosen, key=lambda i: i % (layers + 1))
        # hidden_states[0] is the embedding, so hidden_states[i] is the output of layer i - 1.
        return deepest % (layers + 1) - 1
