"""Flamingo by its open reproduction, Idefics v1: vision tower, perceiver resampler, gated cross-attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import IdeficsConfig, IdeficsForVisionText2Text

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.clip_vision import NO_TEXT_TOWER, clip_signals
from robust_atp.backbones.cross_attention import CrossAttending
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flamingo_vision import FlamingoVision
from robust_atp.backbones.flops import PrefillShape
from robust_atp.backbones.geometry import object_patches
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_model, load_processor
from robust_atp.backbones.prompt import ImageToken
from robust_atp.backbones.resampler_flops import Resampled
from robust_atp.backbones.resampling import NO_PATCHES, ResamplerOptions, resampled, with_resampler
from robust_atp.backbones.seam import Answer, KeptTokens, VisionTokens
from robust_atp.backbones.settings import Settings, matching_clip
from robust_atp.backbones.tasks import IMAGE
from robust_atp.backbones.words import Words
from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION, SHORT_ANSWER

_AROUND_IMAGE = "<fake_token_around_image>"
_SEEN = f"{_AROUND_IMAGE}{IMAGE}{_AROUND_IMAGE}"
# Zero-shot, as the documentation of transformers has both.
_PROMPTS = {
    SHORT_ANSWER: "Instruction: provide an answer to the question. Use the image to answer.\n"
    f"{_SEEN}Question: {{question}} Answer:",
    CAPTION: f"{_SEEN}This is an image of",
}
# The base models were trained on this tower, frozen; the instructed ones went on to train it.
_CLIP = {f"HuggingFaceM4/idefics-{size}": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K" for size in ("9b", "80b")}
_CROSS_ATTENDS = "it looks at the image by cross-attention, and no visual token passes through its layers"


class Flamingo:
    """An ``IdeficsForVisionText2Text`` checkpoint behind the seam, with a perceiver resampler or without.

    Loaded like ``HuggingFaceM4/idefics-9b``. A folder may carry ``robust_atp.json`` and ``clip/`` as LLaVA's may.
    Keeping all tokens gives, token for token, the greedy ``generate`` of the same checkpoint. The CLS token, which
    Idefics hands on together with the patches, is never dropped. Visual tokens have no position ids, so both
    position policies are the same.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = Settings.resolve(source, spec, _PROMPTS, _CLIP.get(source))
        self.name = spec.id
        self.revision = revision
        self.options = family_options(spec, ResamplerOptions)
        self.processor = load_processor(source, spec)
        self.model = load_model(IdeficsForVisionText2Text, source, spec)
        self.capabilities = self.capabilities_of(source, spec, self.model.config.to_dict())
        self.vision = FlamingoVision(spec.id, self.model, settings.clip)
        self.prompts = settings.prompts
        image = ImageToken(IMAGE, self.processor.image_token_id)
        end_ids = self.model.generation_config.eos_token_id
        words = Words(self.processor.tokenizer, image, end_ids, settings.asking)
        self.language = CrossAttending(self.model, words)

    @classmethod
    def capabilities_of(cls, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> Capabilities:
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded."""
        patches = family_options(spec, ResamplerOptions).prunes == "patches"
        if not (patches or IdeficsConfig.from_dict(dict(config)).use_resampler):
            raise UserError(
                f"backbone '{spec.id}' has no resampler, whose queries could be pruned; "
                "nearest valid value of its option prunes: patches"
            )
        has_text_tower = patches and matching_clip(source, spec, _CLIP.get(source)) is not None
        lacking = {signal.partition(":")[0]: NO_PATCHES for signal in clip_signals(True)}
        return Capabilities(
            name=spec.id,
            provides=clip_signals(has_text_tower) if patches else frozenset({"tower_features"}),
            has_text_tower=has_text_tower,
            drops_inside=False,
            has_grid=patches,
            lacking=lacking
            | {
                "joint_patches": NO_TEXT_TOWER if patches else NO_PATCHES,
                "inside": _CROSS_ATTENDS,
                "grid": NO_PATCHES,
            },
        )

    @property
    def prunes_patches(self) -> bool:
        """Whether patches are pruned, before the resampler if there is one, or queries after it."""
        return self.options.prunes == "patches"

    @property
    def shape(self) -> PrefillShape:
        """What decides the cost of visual tokens from where they are pruned on."""
        decoder, resampler = self.language.shape, self.vision.resampler
        if resampler is None or not self.prunes_patches:
            return decoder
        return Resampled(resampler, decoder, beside=1)

    @torch.inference_mode()
    def encode(
        self, images: Sequence[np.ndarray], signals: frozenset[str] = frozenset()
    ) -> list[VisionTokens]:
        """Run preprocessing and vision tower, and the resampler if its queries are pruned, on B uint8 RGB images."""
        self.capabilities.check_signals(signals)
        pixels = self.processor.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt"
        )  # [B, 3, H, W]
        seen, found = self.vision.look(pixels, signals)  # [B, 1 + N, C]
        if self.prunes_patches:
            grid, tower = self.vision.grid, list(seen[:, 1:])
            off_grid: list[Tensor | None] = list(seen[:, :1])
        else:
            tower = self.vision.resample(list(seen))
            grid, off_grid = (1, len(tower[0])), [None] * len(tower)
        if "tower_features" in signals:
            found["tower_features"] = torch.stack(tower)
        return [
            VisionTokens(
                features,
                grid,
                {name: signal[row] for name, signal in found.items()},
                _unchanged,
                off_grid[row],
                self.options.prunes,
            )
            for row, features in enumerate(tower)
        ]

    @torch.inference_mode()
    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Embed bare questions, without prompt template, in CLIP's joint space: unit length [Q, J]."""
        return self.vision.joint_space.embed_texts(questions)

    @torch.inference_mode()
    def answer(
        self,
        kept: KeptTokens,
        questions: Sequence[str],
        dropping: Sequence[Dropping] | None = None,
        task: str = SHORT_ANSWER,
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens.

        Questions that hold the very same tensor objects in ``kept`` share one pass through the resampler.
        """
        if dropping is not None:
            raise UserError(f"backbone '{self.name}' drops no tokens inside its decoder: {_CROSS_ATTENDS}")
        resampler = self.vision.resampler
        if resampler is None:
            return self.language.answer(kept, questions, task)
        entering = resampled(kept, self.vision.resample) if self.prunes_patches else kept
        answers = self.language.answer(entering, questions, task)
        patches = self.vision.grid[0] * self.vision.grid[1]
        # The CLS token is read whatever is pruned.
        read = [1 + (len(indices) if self.prunes_patches else patches) for indices in kept.indices]
        return with_resampler(answers, entering, resampler, read)

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Not offered: ``UserError``."""
        raise UserError(f"backbone '{self.name}' gives no attention inside its decoder: {_CROSS_ATTENDS}")

    def object_patches(self, mask: np.ndarray) -> np.ndarray | None:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N].

        None if queries are pruned: they have no place in the image.
        """
        if not self.prunes_patches:
            return None
        size = self.processor.image_processor.size
        resized = (size["height"], size["width"])
        return object_patches(mask, resized, resized, self.vision.grid)


def _unchanged(features: Tensor) -> Tensor:
    return features
