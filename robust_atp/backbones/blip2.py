"""BLIP-2: vision tower, Q-Former, language model; tokens are dropped before the Q-Former or after it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Blip2Config, Blip2ForConditionalGeneration

from robust_atp.backbones.blip2_vision import NO_TEXT_TOWER, Blip2Vision
from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.encoder_decoder import EncoderDecoder
from robust_atp.backbones.flops import PrefillShape
from robust_atp.backbones.geometry import object_patches, resized_size
from robust_atp.backbones.language import LanguageModel
from robust_atp.backbones.loading import BackboneSpec, family_options
from robust_atp.backbones.pretrained import load_model, load_processor
from robust_atp.backbones.prompt import ImageToken
from robust_atp.backbones.resampler_flops import Resampled
from robust_atp.backbones.resampling import NO_PATCHES, ResamplerOptions, resampled, with_resampler
from robust_atp.backbones.seam import Answer, KeptTokens, VisionTokens
from robust_atp.backbones.settings import Settings
from robust_atp.backbones.signals import attention_signals
from robust_atp.backbones.staged import NOT_LLAMA
from robust_atp.backbones.tasks import IMAGE
from robust_atp.backbones.words import Words
from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION, SHORT_ANSWER

_PROMPTS = {
    SHORT_ANSWER: f"{IMAGE}Question: {{question}} Short answer:",
    CAPTION: f"{IMAGE}a photo of",
}
_DECODERS = ("opt", "t5")


class Blip2:
    """A ``Blip2ForConditionalGeneration`` checkpoint with an OPT or (Flan-)T5 language model, behind the seam.

    Loaded like ``Salesforce/blip2-opt-2.7b`` or ``Salesforce/blip2-flan-t5-xl``. A folder may carry
    ``robust_atp.json`` and ``clip/`` as LLaVA's may. Keeping all tokens gives, token for token, the greedy
    ``generate`` of the same checkpoint. The CLS token, which the Q-Former reads too, is never dropped.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = _settings(source, spec)
        self.name = spec.id
        self.revision = revision
        self.options = family_options(spec, ResamplerOptions)
        self.processor = load_processor(source, spec)
        self.model = load_model(Blip2ForConditionalGeneration, source, spec)
        self.capabilities = self.capabilities_of(source, spec, self.model.config.to_dict())
        image_token = self._check_placeholders()
        self.vision = Blip2Vision(spec.id, self.model, settings.clip)
        self.prompts = settings.prompts
        image = ImageToken(image_token, self.model.config.image_token_id, first=True)
        language: Any = self.model.language_model
        end_ids = language.generation_config.eos_token_id
        words = Words(self.processor.tokenizer, image, end_ids, settings.asking)
        self.language = (
            LanguageModel(language.model.decoder, language.lm_head, words)
            if self.model.config.use_decoder_only_language_model
            else EncoderDecoder(language, words)
        )

    @classmethod
    def capabilities_of(cls, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> Capabilities:
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded."""
        options = family_options(spec, ResamplerOptions)
        text_config: Any = Blip2Config.from_dict(dict(config)).text_config
        decoder = text_config.model_type
        if decoder not in _DECODERS:
            raise UserError(
                f"backbone '{spec.id}' has a language model '{decoder}'; supported: {', '.join(_DECODERS)}"
            )
        patches = options.prunes == "patches"
        has_text_tower = patches and _settings(source, spec).clip is not None
        signals = attention_signals() if patches else frozenset()
        joint = {"joint_patches"} if has_text_tower else set()
        lacking = {signal.partition(":")[0]: NO_PATCHES for signal in attention_signals()}
        return Capabilities(
            name=spec.id,
            provides=signals | joint | {"tower_features"},
            has_text_tower=has_text_tower,
            drops_inside=False,
            has_grid=patches,
            keeps_positions=patches or decoder == "opt",
            lacking=lacking
            | {
                "joint_patches": NO_TEXT_TOWER if patches else NO_PATCHES,
                "inside": NOT_LLAMA,
                "grid": NO_PATCHES,
                "original": "T5 counts positions itself, without gaps; use compacted",
            },
        )

    @property
    def prunes_patches(self) -> bool:
        """Whether patches are pruned, before the Q-Former, or queries after it."""
        return self.options.prunes == "patches"

    @property
    def shape(self) -> PrefillShape:
        """What decides the cost of visual tokens from where they are pruned on."""
        decoder = self.language.shape
        return Resampled(self.vision.resampler, decoder, beside=1) if self.prunes_patches else decoder

    @torch.inference_mode()
    def encode(
        self, images: Sequence[np.ndarray], signals: frozenset[str] = frozenset()
    ) -> list[VisionTokens]:
        """Run preprocessing and vision tower, and the Q-Former if its queries are pruned, on B uint8 RGB images."""
        self.capabilities.check_signals(signals)
        pixels = self.processor.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt"
        )["pixel_values"]  # [B, 3, H, W]
        seen, found = self.vision.look(pixels, signals)  # [B, 1 + N, C]
        if self.prunes_patches:
            grid, tower = self.vision.grid, list(seen[:, 1:])
            off_grid: list[Tensor | None] = list(seen[:, :1])
        else:
            grid, tower = (1, self.vision.resampler.latents), self.vision.ask_queries(list(seen))
            off_grid = [None] * len(tower)
        if "tower_features" in signals:
            found["tower_features"] = torch.stack(tower)
        # The Q-Former reads what leaves the tower as it is.
        project = _unchanged if self.prunes_patches else self.vision.project
        return [
            VisionTokens(
                project(features),
                grid,
                {name: signal[row] for name, signal in found.items()},
                project,
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

        Questions that hold the very same tensor objects in ``kept`` share one pass through the Q-Former.
        """
        if dropping is not None:
            raise UserError(f"backbone '{self.name}' drops no tokens inside its decoder: {NOT_LLAMA}")
        entering = resampled(kept, self._read) if self.prunes_patches else kept
        answers = self.language.answer(entering, questions, task=task)
        patches = self.vision.grid[0] * self.vision.grid[1]
        # The CLS token is read whatever is pruned.
        read = [1 + (len(indices) if self.prunes_patches else patches) for indices in kept.indices]
        return with_resampler(answers, entering, self.vision.resampler, read)

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Not offered: ``UserError``."""
        raise UserError(f"backbone '{self.name}' gives no attention inside its decoder: {NOT_LLAMA}")

    def object_patches(self, mask: np.ndarray) -> np.ndarray | None:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N].

        None if queries are pruned: they have no place in the image.
        """
        if not self.prunes_patches:
            return None
        processor = self.processor.image_processor
        size = (mask.shape[0], mask.shape[1])
        resized = resized_size(size, dict(processor.size)) if processor.do_resize else size
        return object_patches(mask, resized, resized, self.vision.grid)

    def _read(self, sets: Sequence[Tensor]) -> list[Tensor]:
        """Projected queries [queries, D] of B sets of tokens [n_b, C]."""
        return [self.vision.project(queries) for queries in self.vision.ask_queries(sets)]

    def _check_placeholders(self) -> str:
        """Spelling of the image's placeholder; ``UserError`` if configuration, processor and tokenizer disagree.

        ``generate`` of such a checkpoint would fill other places than the processor leaves for the image, or
        none, and answer without a word.
        """
        config, tokenizer = self.model.config, self.processor.tokenizer
        token = str(self.processor.image_token)
        pairs = {
            "image_token_id": (config.image_token_id, tokenizer.convert_tokens_to_ids(token)),
            "num_query_tokens": (config.num_query_tokens, self.processor.num_query_tokens),
        }
        for name, (expected, found) in pairs.items():
            if expected != found:
                raise UserError(
                    f"backbone '{self.name}' is inconsistent: {name} is {expected} in config.json, but {found} in "
                    "its processor, so that generate would silently put the image in the wrong place"
                )
        return token


def _settings(source: str, spec: BackboneSpec) -> Settings:
    settings = Settings.resolve(source, spec, _PROMPTS, None)
    for prompt in settings.prompts.values():
        if not prompt.startswith(IMAGE):
            raise UserError(f"prompt of BLIP-2 must begin with {IMAGE}; got {prompt!r}")
    return settings


def _unchanged(features: Tensor) -> Tensor:
    return features
