"""Flamingo by its open reproduction, Idefics v1: the decoder looks at the image by gated cross-attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import IdeficsConfig, IdeficsForVisionText2Text

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.clip_vision import NO_TEXT_TOWER, ClipTower, clip_signals
from robust_atp.backbones.cross_attention import SeeingPrompt, decode_seeing
from robust_atp.backbones.cross_flops import CrossDecoderShape, ResamplerShape, VisualShape
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.geometry import object_patches
from robust_atp.backbones.layout import passes
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_model, load_processor
from robust_atp.backbones.prompt import IMAGE, PromptTokens, tokenize_prompts
from robust_atp.backbones.readout import ReadOut
from robust_atp.backbones.resampling import NOT_PATCHES, ResamplerOptions, resample
from robust_atp.backbones.seam import Answer, KeptTokens, VisionTokens
from robust_atp.backbones.settings import Settings
from robust_atp.errors import UserError

_AROUND_IMAGE = "<fake_token_around_image>"
# The zero-shot prompt for visual question answering in the documentation of transformers.
_PROMPT = (
    "Instruction: provide an answer to the question. Use the image to answer.\n"
    f"{_AROUND_IMAGE}{IMAGE}{_AROUND_IMAGE}Question: {{question}} Answer:"
)
# The base models were trained on top of this frozen tower; the instructed ones changed it.
_CLIP = {
    f"HuggingFaceM4/idefics-{size}": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K" for size in ("9b", "80b")
}

_TOKENS_PER_PASS = 8192  # see language.py

_CROSS_ATTENDS = "it looks at the image by cross-attention, and no visual token passes through its layers"


class Flamingo:
    """An ``IdeficsForVisionText2Text`` checkpoint behind the seam.

    Loaded like ``HuggingFaceM4/idefics-9b``, with or without a perceiver resampler (``use_resampler``). Its queries
    (latents, in Flamingo's words) can be pruned instead of the patches it reads: see ``ResamplerOptions``. The
    tower's CLS token, which Idefics hands on together with the patches, is never pruned. Visual tokens have no
    position ids here, so both position policies are the same. Keeping all tokens gives, token for token, the
    greedy ``generate`` of the same checkpoint.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = Settings.resolve(source, spec, _PROMPT, _CLIP.get(source))
        self.name = spec.id
        self.revision = revision
        self.options = family_options(spec, ResamplerOptions)
        self.processor = load_processor(source, spec)
        self.model = load_model(IdeficsForVisionText2Text, source, spec)
        self.capabilities = self.capabilities_of(source, spec, self.model.config.to_dict())
        self.prompt = settings.prompt
        self.max_new_tokens = settings.max_new_tokens
        tower = self.model.model.vision_model
        self.vision = ClipTower(spec.id, tower, len(tower.encoder.layers) - 1, settings.clip)
        self._read_out = ReadOut(self.model, self.processor.tokenizer)
        self._decoder_shape = CrossDecoderShape.of(self.model.model)
        self._resampler: Any = None
        self._resampler_shape: ResamplerShape | None = None
        if self.model.config.use_resampler:
            self._resampler = self.model.model.perceiver_resampler
            self._resampler_shape = ResamplerShape.of(self._resampler)

    @classmethod
    def capabilities_of(cls, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> Capabilities:
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded."""
        has_text_tower = Settings.resolve(source, spec, _PROMPT, _CLIP.get(source)).clip is not None
        signals = clip_signals(has_text_tower)
        lacking = {"joint_patches": NO_TEXT_TOWER, "inside": _CROSS_ATTENDS}
        if family_options(spec, ResamplerOptions).prunes == "queries":
            if not IdeficsConfig.from_dict(dict(config)).use_resampler:
                raise UserError(
                    f"backbone '{spec.id}' has no resampler whose queries could be pruned; "
                    "nearest valid for its option prunes: patches"
                )
            lacking |= {signal.partition(":")[0]: NOT_PATCHES for signal in clip_signals(True)}
            signals = frozenset()
        return Capabilities(spec.id, signals, has_text_tower, drops_inside=False, lacking=lacking)

    @property
    def shape(self) -> VisualShape:
        """What decides the cost of the visual tokens."""
        return VisualShape(self._decoder_shape, None if self._prunes_queries else self._resampler_shape)

    @property
    def _prunes_queries(self) -> bool:
        return self.options.prunes == "queries"

    @torch.inference_mode()
    def encode(
        self, images: Sequence[np.ndarray], signals: frozenset[str] = frozenset()
    ) -> list[VisionTokens]:
        """Run preprocessing, vision tower and, if its queries are pruned, resampler on B uint8 RGB images."""
        self.capabilities.check_signals(signals)
        pixels = self.processor.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt"
        )  # [B, 3, H, W]
        pixels = pixels.to(self.model.device, self.model.dtype)
        output, found = self.vision.recorded(signals, lambda: self.vision.tower(pixel_values=pixels))
        hidden = output.last_hidden_state  # [B, 1 + N, C], as it leaves the last layer
        if self._prunes_queries:
            return [VisionTokens(queries, (1, len(queries))) for queries in self._resampler(hidden)]
        if "tower_features" in signals:
            found["tower_features"] = hidden[:, 1:]
        return [
            VisionTokens(
                tokens[1:],
                self.vision.grid,
                {name: signal[row] for name, signal in found.items()},
                lambda tower_features: tower_features,
                tokens[:1],
            )
            for row, tokens in enumerate(hidden)
        ]

    @torch.inference_mode()
    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Embed bare questions, without prompt template, in CLIP's joint space: unit length [Q, J]."""
        return self.vision.joint_space.embed_texts(questions)

    @torch.inference_mode()
    def answer(
        self, kept: KeptTokens, questions: Sequence[str], dropping: Sequence[Dropping] | None = None
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens.

        Questions that hold the very same tensor objects in ``kept`` share one pass of the resampler.
        """
        if dropping is not None:
            raise UserError(f"backbone '{self.name}' cannot drop inside the decoder: {_CROSS_ATTENDS}")
        tokenizer, image_id = self.processor.tokenizer, self.processor.image_token_id
        prompts = tokenize_prompts(tokenizer, self.prompt, IMAGE, image_id, questions)
        answers: list[Answer] = []
        for rows in passes(kept, prompts, self.max_new_tokens, _TOKENS_PER_PASS):
            images = self._seen_by_decoder(kept.of(rows))
            batch = [
                SeeingPrompt((*prompts[q].before, image_id, *prompts[q].after), len(prompts[q].before), image)
                for q, image in zip(rows, images, strict=True)
            ]
            result = decode_seeing(self.model, batch, self._read_out.end_ids, self.max_new_tokens)
            costs = [
                self._decoder_shape.flops(len(prompt.ids), len(prompt.image))
                + self._resampler_flops(len(kept.indices[q]))
                for q, prompt in zip(rows, batch, strict=True)
            ]
            resampled = self._resampler is not None and not self._prunes_queries
            answers += self._read_out(result, costs, self._resampler.n_latents if resampled else None)
        return answers

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Refuse: there are no visual tokens between the decoder's layers for attention to shift from."""
        raise UserError(f"backbone '{self.name}' has no layers to cut at: {_CROSS_ATTENDS}")

    def object_patches(self, mask: np.ndarray) -> np.ndarray | None:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N].

        None where queries are pruned, which have no place in the image.
        """
        if self._prunes_queries:
            return None
        size = self.processor.image_processor.size
        resized = (size["height"], size["width"])
        return object_patches(mask, resized, resized, self.vision.grid)

    def _seen_by_decoder(self, kept: KeptTokens) -> list[Tensor]:
        """What cross-attention reads for each of Q questions: Q × [K, C]."""
        if self._prunes_queries:
            return list(kept.features)
        if self._resampler is None:
            return [torch.cat([beside, own]) for beside, own in zip(kept.beside, kept.features, strict=True)]
        return resample(self._resampler, kept, self.model.dtype, _TOKENS_PER_PASS)

    def _resampler_flops(self, kept: int) -> float:
        """Cost of the resampler for a question that keeps so many tokens."""
        if self._resampler_shape is None:
            return 0.0
        rows, columns = self.vision.grid
        return self._resampler_shape.flops(1 + (rows * columns if self._prunes_queries else kept))
