"""Qwen2.5-VL: as many visual tokens as the image has pixels for, at positions along three axes; no CLS token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flops import DecoderShape
from robust_atp.backbones.geometry import object_patches
from robust_atp.backbones.language import LanguageModel
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_image_processor, load_model, load_tokenizer
from robust_atp.backbones.prompt import ImageToken
from robust_atp.backbones.seam import Answer, KeptTokens, Layout, VisionTokens
from robust_atp.backbones.settings import Settings
from robust_atp.backbones.staged import NOT_LLAMA, can_drop_inside
from robust_atp.backbones.tasks import IMAGE, instructions
from robust_atp.backbones.windowed_vision import IN_WINDOWS, NO_CLS, WindowedVision, windowed_signals
from robust_atp.backbones.words import Words
from robust_atp.errors import UserError
from robust_atp.tasks import SHORT_ANSWER

_PROMPTS = instructions(
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    f"<|vision_start|>{IMAGE}<|vision_end|>{{question}}<|im_end|>\n<|im_start|>assistant\n"
)

_NO_TEXT_TOWER = "its vision tower is no CLIP's, so that there is no space in which to compare"

_LACKING = {
    "cls_attention": NO_CLS,
    "single_head_cls_attention": NO_CLS,
    "received_attention": IN_WINDOWS,
    "joint_patches": _NO_TEXT_TOWER,
    "inside": NOT_LLAMA,
}


@dataclass(frozen=True)
class Qwen2_5_VLOptions:
    """Options of this family.

    ``min_pixels`` and ``max_pixels`` bound the size to which an image is scaled, and so its visual tokens: one for
    28 × 28 pixels in the published models. By default the checkpoint's own bounds, up to 16 384 tokens.
    """

    min_pixels: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        for name in ("min_pixels", "max_pixels"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise UserError(f"{name} must be a whole number of at least 1; got {value!r}")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise UserError(
                f"min_pixels must not be more than max_pixels, {self.max_pixels}; got {self.min_pixels}"
            )


class Qwen2_5_VL:
    """A ``Qwen2_5_VLForConditionalGeneration`` checkpoint, behind the seam.

    Loaded like ``Qwen/Qwen2.5-VL-7B-Instruct``. A visual token stands for a square of patches, at position
    (t, row, column) of the multimodal rotary embedding; under position policy ``compacted`` rows and columns of
    which nothing is left take up no position. Keeping all tokens gives, token for token, the greedy ``generate``
    of the same checkpoint.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = Settings.resolve(source, spec, _PROMPTS, None)
        self.name = spec.id
        self.revision = revision
        self.image_processor = load_image_processor(source, spec)
        self.tokenizer = load_tokenizer(source, spec)
        self.model = load_model(Qwen2_5_VLForConditionalGeneration, source, spec)
        self.capabilities = self.capabilities_of(source, spec, self.model.config.to_dict())
        self.vision = WindowedVision(self.model.model.visual)
        self._size = self._pixel_bounds(family_options(spec, Qwen2_5_VLOptions))
        image_id = self.model.config.image_token_id
        self.prompts = settings.prompts
        image = ImageToken(self.tokenizer.convert_ids_to_tokens(image_id), image_id)
        end_ids = self.model.generation_config.eos_token_id
        words = Words(self.tokenizer, image, end_ids, settings.asking)
        self.language = LanguageModel(self.model.model.language_model, self.model.lm_head, words)

    @classmethod
    def capabilities_of(cls, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> Capabilities:
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded."""
        family_options(spec, Qwen2_5_VLOptions)
        if spec.clip is not None:
            raise UserError(f"backbone '{spec.id}' takes no option clip: {_NO_TEXT_TOWER}")
        parsed: Any = Qwen2_5_VLConfig.from_dict(dict(config))
        return Capabilities(
            name=spec.id,
            provides=windowed_signals(parsed.vision_config),
            has_text_tower=False,
            drops_inside=can_drop_inside(parsed.text_config),
            lacking=_LACKING,
        )

    @property
    def shape(self) -> DecoderShape:
        """What decides the decoder's prefill cost."""
        return self.language.shape

    @torch.inference_mode()
    def encode(
        self, images: Sequence[np.ndarray], signals: frozenset[str] = frozenset()
    ) -> list[VisionTokens]:
        """Run preprocessing, vision tower and merger on B uint8 RGB images of any size."""
        self.capabilities.check_signals(signals)
        inputs = self._preprocess(images)
        tower = self.vision.tower
        features, found = self.vision.encode(
            inputs["pixel_values"].to(tower.device, tower.dtype),
            inputs["image_grid_thw"].to(tower.device),
            signals,
        )
        return [
            VisionTokens(own, grid, signal, self.vision.project, layout=_layout(grid, own))
            for own, grid, signal in zip(features, self._grids(inputs), found, strict=True)
        ]

    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """There is no matching text tower: ``UserError``."""
        raise UserError(f"backbone '{self.name}' has no text tower: {_NO_TEXT_TOWER}")

    def answer(
        self,
        kept: KeptTokens,
        questions: Sequence[str],
        dropping: Sequence[Dropping] | None = None,
        task: str = SHORT_ANSWER,
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens: see ``LanguageModel``."""
        return self.language.answer(kept, questions, dropping, task)

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Attention of the text after the image to each visual token, for Q questions: Q × [layers, K_q]."""
        return self.language.text_to_vision(kept, questions)

    def object_patches(self, mask: np.ndarray) -> np.ndarray:
        """Which squares have at least half their area inside a bool mask [H, W] of the image: bool [N]."""
        blank = np.zeros((*mask.shape, 3), np.uint8)
        (grid,) = self._grids(self._preprocess([blank]))
        # The image is scaled to fill the grid.
        return object_patches(mask, mask.shape, mask.shape, grid)

    def _preprocess(self, images: Sequence[np.ndarray]) -> Any:
        return self.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt", size=self._size
        )

    def _grids(self, inputs: Any) -> list[tuple[int, int]]:
        """Rows and columns of visual tokens of each image."""
        side = self.vision.tower.config.spatial_merge_size
        return [(rows // side, columns // side) for _, rows, columns in inputs["image_grid_thw"].tolist()]

    def _pixel_bounds(self, options: Qwen2_5_VLOptions) -> dict[str, int]:
        own = dict(self.image_processor.size)
        return {
            "shortest_edge": options.min_pixels or own["shortest_edge"],
            "longest_edge": options.max_pixels or own["longest_edge"],
        }


def _layout(grid: tuple[int, int], features: Tensor) -> Layout:
    """Positions along time, down and across [N, 3]; nothing stands between the visual tokens."""
    rows, columns = (torch.arange(length, device=features.device) for length in grid)
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([torch.zeros_like(row), row, column], -1).flatten(0, 1)
    return Layout(torch.arange(len(features), device=features.device), places, features[:0])
