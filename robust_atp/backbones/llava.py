"""LLaVA-1.5: CLIP vision tower, projector, decoder; visual tokens are dropped between the last two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.clip_vision import NO_TEXT_TOWER, ClipVision, check_clip_tower, clip_signals
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flops import DecoderShape, TowerShape
from robust_atp.backbones.geometry import object_patches, pad_to_square, resized_size
from robust_atp.backbones.language import LanguageModel
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_model, load_processor
from robust_atp.backbones.prompt import ImageToken
from robust_atp.backbones.seam import Answer, KeptTokens, VisionTokens
from robust_atp.backbones.settings import Settings, matching_clip
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.staged import NOT_LLAMA, can_drop_inside
from robust_atp.backbones.tasks import IMAGE, instructions
from robust_atp.backbones.thinned_vision import encode_shrunk, encode_thinned
from robust_atp.backbones.thinning import Thinning
from robust_atp.backbones.words import Words
from robust_atp.errors import unknown
from robust_atp.tasks import SHORT_ANSWER

_PROMPTS = instructions(f"USER: {IMAGE}\n{{question}} ASSISTANT:")
_CLIP = "openai/clip-vit-large-patch14-336"


@dataclass(frozen=True)
class LlavaOptions:
    """Options of this family.

    ``preprocessing``: ``crop`` resizes the shorter side and crops the centre, as the converted checkpoints'
    processor does; ``pad`` pads to a square of the processor's mean colour first, as the original code does.
    It decides which part of the image is seen, and where its patches lie.
    """

    preprocessing: str = "crop"

    def __post_init__(self) -> None:
        if self.preprocessing not in ("crop", "pad"):
            raise unknown("preprocessing", self.preprocessing, ("crop", "pad"))


class Llava:
    """A ``LlavaForConditionalGeneration`` checkpoint with a CLIP vision tower, behind the seam.

    Loaded like ``llava-hf/llava-1.5-7b-hf``. A folder may carry ``robust_atp.json`` with its own ``prompt``
    and ``max_new_tokens``, and the matching CLIP model in ``clip/``. Keeping all tokens gives, token for
    token, the greedy ``generate`` of the same checkpoint.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = Settings.resolve(source, spec, _PROMPTS, _known_clip(source))
        self.name = spec.id
        self.revision = revision
        self.options = family_options(spec, LlavaOptions)
        self.processor = load_processor(source, spec)
        self.model = load_model(LlavaForConditionalGeneration, source, spec)
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
        family_options(spec, LlavaOptions)
        parsed = LlavaConfig.from_dict(dict(config))
        check_clip_tower(spec.id, parsed)
        has_text_tower = matching_clip(source, spec, _known_clip(source)) is not None
        return Capabilities(
            name=spec.id,
            provides=clip_signals(has_text_tower),
            has_text_tower=has_text_tower,
            drops_inside=can_drop_inside(parsed.text_config),
            thins_tower=isinstance(parsed.vision_feature_layer, int),
            lacking={"joint_patches": NO_TEXT_TOWER, "inside": NOT_LLAMA},
        )

    @property
    def shape(self) -> DecoderShape:
        """What decides the decoder's prefill cost."""
        return self.language.shape

    @property
    def tower(self) -> TowerShape:
        """What decides the vision tower's cost."""
        return self.vision.shape

    @torch.inference_mode()
    def encode(
        self,
        images: Sequence[np.ndarray],
        signals: frozenset[str] = frozenset(),
        thinning: Thinning | Shrinking | None = None,
    ) -> list[VisionTokens]:
        """Run preprocessing, vision tower and projector on B uint8 RGB images of any size."""
        self.capabilities.check_signals(signals)
        processor = self.processor.image_processor
        if self.options.preprocessing == "pad":
            colour = np.array([int(share * 255) for share in processor.image_mean], np.uint8)
            images = [pad_to_square(image, colour) for image in images]
        pixels = processor(list(images), input_data_format="channels_last", return_tensors="pt")[
            "pixel_values"
        ].to(self.vision.tower.device, self.model.dtype)  # [B, 3, H, W]
        if isinstance(thinning, Shrinking):
            return encode_shrunk(self.vision, pixels, thinning)
        if thinning is not None:
            return encode_thinned(self.vision, pixels, thinning)
        output, found = self.vision.recorded(
            signals, lambda: self.model.model.get_image_features(pixels, return_dict=True)
        )
        shape = self.vision.shape
        flops = shape.flops([1 + shape.patches] * shape.layers, shape.patches)
        return [
            VisionTokens(
                features,
                self.vision.grid,
                {name: signal[row] for name, signal in found.items()},
                self.vision.project,
                area=self._area,
                encode_flops=flops,
            )
            for row, features in enumerate(output.pooler_output)
        ]

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
        if self.options.preprocessing == "pad":
            mask = pad_to_square(mask, np.False_)
        processor = self.processor.image_processor
        size = (mask.shape[0], mask.shape[1])
        resized = resized_size(size, dict(processor.size)) if processor.do_resize else size
        crop = processor.crop_size
        cropped = (crop["height"], crop["width"]) if processor.do_center_crop else resized
        return object_patches(mask, resized, cropped, self.vision.grid)

    @property
    def _area(self) -> str:
        if self.options.preprocessing == "pad":
            return "padded"
        return "centre" if self.processor.image_processor.do_center_crop else "whole"


def _known_clip(source: str) -> str | None:
    return _CLIP if source.startswith("llava-hf/llava-1.5-") else None
