"""BLIP-2's vision tower and Q-Former: from images to patches, from patches to query tokens."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from robust_atp.backbones.attention import captured_attention
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.backbones.resampler_flops import QFormerShape
from robust_atp.backbones.signals import wanted_attention
from robust_atp.errors import UserError

NO_TEXT_TOWER = (
    "BLIP-2's own tower is EVA-CLIP's, whose text tower transformers does not have; name with the backbone's "
    "option clip a CLIP model that the vision tower was trained with"
)

_ROWS_PER_PASS = 64  # sets of patches that the Q-Former reads at once


class Blip2Vision:
    """Vision tower and Q-Former of a ``Blip2ForConditionalGeneration``; ``clip`` is the tower's CLIP model, if any."""

    def __init__(self, backbone: str, model: Any, clip: str | None) -> None:
        self._backbone = backbone
        self._model = model
        self._clip = clip

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        config = self._model.config.vision_config
        side = config.image_size // config.patch_size
        return side, side

    @cached_property
    def resampler(self) -> QFormerShape:
        """What decides the Q-Former's cost."""
        return QFormerShape.of(self._model.qformer, self._model.config.num_query_tokens)

    @cached_property
    def joint_space(self) -> JointSpace:
        """CLIP's joint space, loaded when first needed; ``UserError`` if no matching CLIP model is known."""
        if self._clip is None:
            raise UserError(f"backbone '{self._backbone}' has no text tower: {NO_TEXT_TOWER}")
        tower = self._model.vision_model
        return JointSpace.load(self._clip, tower.config.hidden_size, tower.dtype, tower.device)

    def look(self, pixels: Tensor, signals: frozenset[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """CLS token and patches [B, 1 + N, C] as the Q-Former reads them, and the signals [B, …]."""
        tower = self._model.vision_model
        layers = tower.encoder.layers
        with captured_attention(tower, wanted_attention(signals, layers, len(layers) - 1)) as found:
            seen = tower(pixels.to(tower.device, tower.dtype)).last_hidden_state
        if "joint_patches" in signals:
            found["joint_patches"] = self.joint_space.embed_patches(seen[:, 1:])
        return seen, found

    def ask_queries(self, seen: Sequence[Tensor]) -> list[Tensor]:
        """What the queries make of B sets of tokens [n_b, C]: B × [queries, C], not yet projected.

        Sets of different sizes share a pass: the padding of the smaller ones is masked.
        """
        asked: list[Tensor] = []
        for start in range(0, len(seen), _ROWS_PER_PASS):
            some = seen[start : start + _ROWS_PER_PASS]
            mask = pad_sequence([row.new_ones(len(row), dtype=torch.long) for row in some], batch_first=True)
            queries = self._model.query_tokens.expand(len(some), -1, -1)
            output = self._model.qformer(
                query_embeds=queries,
                encoder_hidden_states=pad_sequence(list(some), batch_first=True),
                encoder_attention_mask=mask,
            ).last_hidden_state
            # transformers keeps the Q-Former in float32 where the rest is in float16.
            asked += output.to(some[0].dtype)
        return asked

    @torch.inference_mode()
    def project(self, queries: Tensor) -> Tensor:
        """Map what leaves the Q-Former, or mixtures of it, [..., C] to what the decoder reads [..., D]."""
        # Not the projection's own type, which may be quantised.
        return self._model.language_projection(queries.to(self._model.vision_model.dtype))
