"""LLaVA-NeXT: an overview of the image and tiles of it, each encoded by CLIP; what is padding is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.clip_vision import ClipVision, check_clip_tower, clip_signals
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flops import DecoderShape
from robust_atp.backbones.language import LanguageModel
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_model, load_processor
from robust_atp.backbones.prompt import ImageToken, chat_prompt
from robust_atp.backbones.seam import Answer, KeptTokens, View, VisionTokens
from robust_atp.backbones.settings import Settings, matching_clip
from robust_atp.backbones.staged import NOT_LLAMA, can_drop_inside
from robust_atp.backbones.tasks import instructions
from robust_atp.backbones.tiling import Tiling
from robust_atp.backbones.words import Words
from robust_atp.errors import unknown
from robust_atp.tasks import SHORT_ANSWER

_BUDGETS = ("per_tile", "global")

_LACKING = {
    "inside": NOT_LLAMA,
    "joint_patches": "the vision tower was tuned with the rest of the model and matches no published CLIP exactly; "
    "to compare with one all the same, name it with the backbone's option clip",
    "grid": "with tile_budget 'global' overview and tiles are pruned together; take tile_budget 'per_tile'",
}


@dataclass(frozen=True)
class LlavaNextOptions:
    """Options of this family.

    ``tile_budget``: with ``per_tile`` a method prunes the overview and every tile on their own, each to the nominal
    share, as published results for tiled models do; with ``global`` it chooses once among all their tokens. Scores
    are then compared as they are: attention is a share of that of one view, and all views have equally many patches
    in the vision tower; cosines have one scale anyway.
    """

    tile_budget: str = "per_tile"

    def __post_init__(self) -> None:
        if self.tile_budget not in _BUDGETS:
            raise unknown("tile_budget", self.tile_budget, _BUDGETS)


class LlavaNext:
    """A ``LlavaNextForConditionalGeneration`` checkpoint with a CLIP vision tower, behind the seam.

    Loaded like ``llava-hf/llava-v1.6-vicuna-7b-hf``; by default the prompt is its own chat template with a request
    for a short answer. Visual tokens are the patches of the overview, then those of the mosaic of tiles line by
    line; the ends of lines are never dropped. Keeping all tokens gives, token for token, the greedy ``generate``
    of the same checkpoint.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        self.name = spec.id
        self.revision = revision
        self.options = family_options(spec, LlavaNextOptions)
        self.processor = load_processor(source, spec)
        chat = chat_prompt(self.processor)
        settings = Settings.resolve(source, spec, instructions(chat) if chat else None, None)
        self.model = load_model(LlavaNextForConditionalGeneration, source, spec)
        self.capabilities = self.capabilities_of(source, spec, self.model.config.to_dict())
        self.vision = ClipVision(spec.id, self.model, settings.clip)
        self.prompts = settings.prompts
        image = ImageToken(self.processor.image_token, self.model.config.image_token_id)
        end_ids = self.model.generation_config.eos_token_id
        words = Words(self.processor.tokenizer, image, end_ids, settings.asking)
        self.language = LanguageModel(self.model.model.language_model, self.model.lm_head, words)

    @classmethod
    def capabilities_of(cls, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> Capabilities:
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded."""
        options = family_options(spec, LlavaNextOptions)
        parsed = LlavaNextConfig.from_dict(dict(config))
        check_clip_tower(spec.id, parsed)
        has_text_tower = matching_clip(source, spec, None) is not None
        return Capabilities(
            name=spec.id,
            provides=clip_signals(has_text_tower),
            has_text_tower=has_text_tower,
            drops_inside=can_drop_inside(parsed.text_config),
            has_grid=options.tile_budget == "per_tile",
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
        """Run preprocessing, vision tower and projector on B uint8 RGB images of any size."""
        self.capabilities.check_signals(signals)
        inputs = self.processor.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt"
        )
        pixels = inputs["pixel_values"].to(self.vision.tower.device, self.model.dtype)  # [B, views, 3, H, W]
        output, found = self.vision.recorded(
            signals,
            lambda: self.model.model.get_image_features(pixels, inputs["image_sizes"], return_dict=True),
        )
        tokens, first = [], 0
        for image, packed in zip(images, output.pooler_output, strict=True):
            tiling = self._tiling(image)
            views = slice(first, first + tiling.views)
            own = {name: _by_patch(name, signal[views]) for name, signal in found.items()}
            tokens.append(self._tokens(tiling, packed, own))
            first = views.stop
        return tokens

    @torch.inference_mode()
    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Embed bare questions, without prompt template, in CLIP's joint space: unit length [Q, J]."""
        return self.vision.joint_space.embed_texts(questions)

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
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N]."""
        return self._tiling(mask).object_patches(mask, self.vision.tower.config.image_size)

    def _tiling(self, image: np.ndarray) -> Tiling:
        return Tiling.of((image.shape[0], image.shape[1]), self.model.model)

    def _tokens(self, tiling: Tiling, packed: Tensor, signals: Mapping[str, Tensor]) -> VisionTokens:
        """Tell the N patches among the M packed tokens [M, D] from the ends of lines."""
        is_patch = (tiling.packed >= 0).to(packed.device)
        patches = tiling.patches.to(packed.device)
        features = packed[is_patch]
        chosen = {
            name: signal[:, patches] if ":" in name else signal[patches] for name, signal in signals.items()
        }
        tokens = VisionTokens(
            features,
            tiling.grid,
            chosen,
            self.vision.project,
            overview=self.vision.grid,
            views=tiling.parts(packed.device),
            layout=tiling.layout(packed[~is_patch]),
        )
        if self.options.tile_budget == "per_tile":
            return tokens
        everything = torch.arange(len(features), device=packed.device)
        return replace(tokens, views=(View(everything, (1, len(features))),))


def _by_patch(name: str, signal: Tensor) -> Tensor:
    """Put the patches of V views behind each other: [V, H, n, …] to [H, V·n, …], or [V, n, C] to [V·n, C]."""
    return signal.movedim(0, 1).flatten(1, 2) if ":" in name else signal.flatten(0, 1)
