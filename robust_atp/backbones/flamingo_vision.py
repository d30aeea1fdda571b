"""Idefics' vision tower and perceiver resampler: from images to patches, from patches to latents."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robust_atp.backbones.attention import captured_attention
from robust_atp.backbones.clip_vision import NO_TEXT_TOWER
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.backbones.resampler_flops import PerceiverShape
from robust_atp.backbones.signals import wanted_attention
from robust_atp.errors import UserError

_ROWS_PER_PASS = 64  # sets of patches that the resampler reads at once


class FlamingoVision:
    """Vision tower and resampler of an ``IdeficsForVisionText2Text``; ``clip`` is the tower's CLIP model, if any."""

    def __init__(self, backbone: str, model: Any, clip: str | None) -> None:
        self._backbone = backbone
        self._model = model
        self._clip = clip
        self._tower = model.model.vision_model

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        side = self._tower.config.image_size // self._tower.config.patch_size
        return side, side

    @cached_property
    def resampler(self) -> PerceiverShape | None:
        """What decides the resampler's cost; None if there is no resampler."""
        if not self._model.config.use_resampler:
            return None
        return PerceiverShape.of(self._model.model.perceiver_resampler)

    @cached_property
    def joint_space(self) -> JointSpace:
        """CLIP's joint space, loaded when first needed; ``UserError`` if no matching CLIP model is known."""
        if self._clip is None:
            raise UserError(f"backbone '{self._backbone}' has no text tower: {NO_TEXT_TOWER}")
        width = self._tower.config.hidden_size
        return JointSpace.load(self._clip, width, self._model.dtype, self._model.device)

    def look(self, pixels: Tensor, signals: frozenset[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """CLS token and patches [B, 1 + N, C] as they leave the last layer, unnormed, and the signals [B, …]."""
        layers = self._tower.encoder.layers
        with captured_attention(self._tower, wanted_attention(signals, layers, len(layers) - 1)) as found:
            output = self._tower(pixel_values=pixels.to(self._model.device, self._model.dtype))
        seen = output.last_hidden_state
        if "joint_patches" in signals:
            normed = self._tower.post_layernorm(seen[:, 1:])
            found["joint_patches"] = self.joint_space.embed_patches(normed)
        return seen, found

    def resample(self, seen: Sequence[Tensor]) -> list[Tensor]:
        """What the latents make of B sets of tokens [n_b, C]: B × [latents, C].

        A perceiver takes no mask, so only sets of one size share a pass.
        """
        of_size: dict[int, list[int]] = {}
        for row, tokens in enumerate(seen):
            of_size.setdefault(len(tokens), []).append(row)
        latents: dict[int, Tensor] = {}
        for rows in of_size.values():
            for start in range(0, len(rows), _ROWS_PER_PASS):
                some = rows[start : start + _ROWS_PER_PASS]
                read = torch.stack([seen[row] for row in some])  # [b, n, C]
                latents |= dict(zip(some, self._model.model.perceiver_resampler(read), strict=True))
        return [latents[row] for row in range(len(seen))]
