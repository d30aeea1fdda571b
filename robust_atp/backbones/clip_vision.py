"""A CLIP vision tower with its projector, and the signals that pruners can ask of the two."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from robust_atp.backbones.attention import (
    Reduction,
    attention_of_first_token,
    attention_received,
    captured_attention,
    captured_input,
    keys_of_patches,
    single_head_attention_of_first_token,
)
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.errors import UserError

_REDUCTIONS: dict[str, Reduction] = {
    "cls_attention": attention_of_first_token,
    "single_head_cls_attention": single_head_attention_of_first_token,
    "received_attention": attention_received,
    "keys": keys_of_patches,
}

_LAYERS = ("projected", "last", *(f"{eighth}/8" for eighth in range(1, 8)))

NO_TEXT_TOWER = "name the CLIP model that matches its vision tower with the backbone's option clip"


def clip_signals(has_text_tower: bool) -> frozenset[str]:
    """Names of the signals that ``ClipVision`` can compute."""
    attention = {f"{kind}:{layer}" for kind in _REDUCTIONS for layer in _LAYERS}
    return frozenset(attention | {"tower_features"} | ({"joint_patches"} if has_text_tower else set()))


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
        wanted = {signal: self._attention(signal) for signal in sorted(signals) if ":" in signal}
        inputs: dict[str, Tensor] = {}
        with (
            captured_input(self.projector, "tower_features", inputs),
            captured_attention(self.tower, wanted) as found,
        ):
            output = encode()
        if "joint_patches" in signals:
            normed = self._transformer.post_layernorm(output.last_hidden_state[:, 1:])
            found["joint_patches"] = self.joint_space.embed_patches(normed)
        if "tower_features" in signals:
            found |= inputs
        return output, found

    @torch.inference_mode()
    def project(self, tower_features: Tensor) -> Tensor:
        """Map what leaves the tower, or mixtures of it, [..., C] to what the decoder reads [..., D]."""
        return self.projector(tower_features.to(self._model.dtype))

    @property
    def _transformer(self) -> Any:
        # Early transformers 5 wraps in a CLIPVisionModel the module that later ones make of it.
        return getattr(self.tower, "vision_model", self.tower)

    def _attention(self, signal: str) -> tuple[nn.Module, Reduction]:
        kind, _, layer = signal.partition(":")
        layers = self._transformer.encoder.layers
        index = len(layers) - 1
        if layer == "projected":
            chosen = self._model.config.vision_feature_layer
            deepest = chosen if isinstance(chosen, int) else max(chosen, key=lambda i: i % (len(layers) + 1))
            # hidden_states[0] is the embedding, so hidden_states[i] is the output of layer i - 1.
            index = deepest % (len(layers) + 1) - 1
        elif layer != "last":
            # Published layer numbers are those of 24 layers; a shallower tower has its own at the same depth.
            index = max(1, int(int(layer[0]) / 8 * len(layers) + 0.5)) - 1
        return layers[index].self_attn, _REDUCTIONS[kind]
