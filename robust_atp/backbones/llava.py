"""LLaVA-1.5: CLIP vision tower, projector, decoder; visual tokens are dropped between the last two."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoProcessor, LlavaForConditionalGeneration

from robust_atp.backbones.attention import REDUCTIONS, Reduction, captured_attention, captured_input
from robust_atp.backbones.branching import decode_dropping
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flops import DecoderShape, TowerShape
from robust_atp.backbones.geometry import patch_coverage, resized_size
from robust_atp.backbones.greedy import Continuations, decode_greedily
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.backbones.layout import distinct_prompts, passes, prompt_batch, whole_prompts
from robust_atp.backbones.loading import BackboneSpec
from robust_atp.backbones.profile import text_to_vision
from robust_atp.backbones.prompt import PromptTokens, first_token_ids, tokenize_prompts
from robust_atp.backbones.seam import Answer, KeptTokens, Thinned, VisionTokens
from robust_atp.backbones.settings import Settings
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.staged import is_llama_family
from robust_atp.backbones.thinning import Thinning, embed_pixels, inner_tower, pass_thinned
from robust_atp.errors import UserError

_LAYERS = ("projected", "last", *(f"{eighth}/8" for eighth in range(1, 8)))

# Tokens, padding included, that one pass through the decoder may hold: 5 GB of cache for LLaVA-1.5-7B in half
# precision. Fixed, because the last bit of a row depends on who shares its batch.
_TOKENS_PER_PASS = 8192


class Llava:
    """A ``LlavaForConditionalGeneration`` checkpoint with a CLIP vision tower, behind the seam.

    Loaded like ``llava-hf/llava-1.5-7b-hf``. A folder may carry ``robust_atp.json`` with its own ``prompt``
    and ``max_new_tokens``, and the matching CLIP model in ``clip/``. Keeping all tokens gives, token for
    token, the greedy ``generate`` of the same checkpoint.
    """

    def __init__(self, source: str, spec: BackboneSpec, revision: str) -> None:
        settings = Settings.resolve(source, spec)
        self.name = spec.id
        self.revision = revision
        self.prompt = settings.prompt
        self.max_new_tokens = settings.max_new_tokens
        self._clip_source = settings.clip
        self._dtype: torch.dtype = getattr(torch, spec.dtype)
        self._device = spec.device
        try:
            self.processor = AutoProcessor.from_pretrained(source, revision=spec.revision)
            self.model = LlavaForConditionalGeneration.from_pretrained(
                source, revision=spec.revision or "main", dtype=self._dtype, attn_implementation="sdpa"
            )
        except OSError as error:
            raise UserError(f"backbone '{spec.id}' cannot be read: {str(error).splitlines()[0]}") from error
        self.model.to(self._device).eval()  # type: ignore[arg-type]  # their decorator hides the signature
        if self.model.config.vision_feature_select_strategy != "default":
            raise UserError(
                f"backbone '{spec.id}' hands its CLS token to the decoder, which has no place on the grid"
            )

        self._tower: Any = self.model.model.vision_tower
        self._decoder: Any = self.model.model.language_model
        self._projector: Any = self.model.model.multi_modal_projector
        self._end_ids = _end_ids(
            self.model.generation_config.eos_token_id, self.processor.tokenizer.eos_token_id
        )
        self._yes = first_token_ids(self.processor.tokenizer, "yes")
        self._no = first_token_ids(self.processor.tokenizer, "no")

    @property
    def provides(self) -> frozenset[str]:
        """Names of the signals that ``encode`` can compute."""
        attention = {f"{kind}:{layer}" for kind in REDUCTIONS for layer in _LAYERS}
        joint = {"joint_patches"} if self.has_text_tower else set[str]()
        return frozenset(attention | joint | {"tower_features"})

    @property
    def has_text_tower(self) -> bool:
        """Whether a matching CLIP model is known; it is loaded when first needed."""
        return self._clip_source is not None

    @cached_property
    def drops_inside(self) -> bool:
        """Whether the decoder is one that ``answer`` can drop tokens in."""
        return is_llama_family(self._decoder)

    @cached_property
    def shape(self) -> DecoderShape:
        """What decides the decoder's prefill cost."""
        return DecoderShape.of(self._decoder)

    @property
    def tower(self) -> TowerShape | None:
        """What decides the vision tower's cost; None where several layers are projected, which no cut can feed."""
        one_layer = isinstance(self.model.config.vision_feature_layer, int)
        return self._tower_shape if one_layer else None

    @torch.inference_mode()
    def encode(
        self,
        images: Sequence[np.ndarray],
        signals: frozenset[str] = frozenset(),
        thinning: Thinning | Shrinking | None = None,
    ) -> list[VisionTokens]:
        """Run preprocessing, vision tower and projector on B uint8 RGB images of any size."""
        unknown = sorted(signals - self.provides)
        if unknown:
            raise UserError(f"backbone '{self.name}' lacks signal '{unknown[0]}'{self._missing_clip_hint()}")
        pixels = self.processor.image_processor(
            list(images), input_data_format="channels_last", return_tensors="pt"
        )["pixel_values"].to(self._device, self._dtype)  # [B, 3, H, W]
        if isinstance(thinning, Shrinking):
            return self._encode_shrunk(pixels, thinning)
        if thinning is not None:
            return self._encode_thinned(pixels, thinning)
        return self._encode_whole(pixels, signals)

    def _encode_whole(self, pixels: Tensor, signals: frozenset[str]) -> list[VisionTokens]:
        wanted = {signal: self._attention(signal) for signal in sorted(signals) if ":" in signal}
        inputs: dict[str, Tensor] = {}
        with (
            captured_input(self._projector, "tower_features", inputs),
            captured_attention(self._tower, wanted) as captured,
        ):
            output = self.model.model.get_image_features(pixels, return_dict=True)
        if "joint_patches" in signals:
            normed = self._vision.post_layernorm(output.last_hidden_state[:, 1:])
            captured["joint_patches"] = self._joint_space.embed_patches(normed)
        if "tower_features" in signals:
            captured |= inputs
        shape = self._tower_shape
        flops = shape.flops([1 + shape.patches] * shape.layers, shape.patches)
        return [
            VisionTokens(
                features,
                self._grid,
                {name: signal[row] for name, signal in captured.items()},
                self._project,
                encode_flops=flops,
            )
            for row, features in enumerate(output.pooler_output)
        ]

    def _encode_thinned(self, pixels: Tensor, thinning: Thinning) -> list[VisionTokens]:
        shape = self._tower_shape
        layers = self._vision.encoder.layers
        leaving, thinned, tokens_per_layer = pass_thinned(
            layers, embed_pixels(self._tower, pixels), thinning, shape.layers
        )
        features = self._projector(leaving)  # [B, K + M, D]
        flops = shape.flops(tokens_per_layer, features.shape[1])
        return [
            VisionTokens(own, self._grid, thinned=what, encode_flops=flops)
            for own, what in zip(features, thinned, strict=True)
        ]

    def _encode_shrunk(self, pixels: Tensor, shrinking: Shrinking) -> list[VisionTokens]:
        shape = self._tower_shape
        hidden = embed_pixels(self._tower, shrinking.shrink(pixels, self._tower.config.patch_size))
        for layer in inner_tower(self._tower).encoder.layers[: shape.layers]:
            hidden = layer(hidden, None)
        features = self._projector(hidden[:, 1:])  # [B, K, D]
        tokens_per_layer = [1 + shrinking.count] * shape.layers
        flops = replace(shape, patches=shrinking.count).flops(tokens_per_layer, shrinking.count)
        places = shrinking.places(self._grid).to(features.device)
        shrunk = Thinned((places,), places[:0], shape.patches)
        return [VisionTokens(own, self._grid, thinned=shrunk, encode_flops=flops) for own in features]

    @torch.inference_mode()
    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Embed bare questions, without prompt template, in CLIP's joint space: unit length [Q, J]."""
        return self._joint_space.embed_texts(questions)

    @torch.inference_mode()
    def answer(
        self, kept: KeptTokens, questions: Sequence[str], dropping: Sequence[Dropping] | None = None
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens.

        Questions that hold the very same tensor objects in ``kept`` share one prefill of everything up to
        the end of the image. With ``dropping``, entries that hold the same objects and ask the same question
        share the layers up to where their ways of dropping part.
        """
        if dropping is not None:
            return self._answer_dropping(kept, questions, dropping)
        prompts = self._tokenize(questions)
        answers: list[Answer] = []
        for rows in passes(kept, prompts, self.max_new_tokens, _TOKENS_PER_PASS):
            batch = prompt_batch(self._decoder.get_input_embeddings(), kept, prompts, rows)
            result = decode_greedily(
                self._decoder, self.model.lm_head, batch, self._end_ids, self.max_new_tokens
            )
            lengths = [len(prompts[q].before) + len(kept.features[q]) + len(prompts[q].after) for q in rows]
            costs = [self.shape.flops([length] * self.shape.layers) for length in lengths]
            answers += self._read_out(result, costs)
        return answers

    @torch.inference_mode()
    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Attention of the text after the image to each visual token, for Q questions: Q × [layers, K_q]."""
        prompts = self._tokenize(questions)
        profiles: list[Tensor] = []
        for rows in passes(kept, prompts, 0, _TOKENS_PER_PASS):
            whole = whole_prompts(self._decoder.get_input_embeddings(), kept, prompts, rows)
            profiles += text_to_vision(self._decoder, *whole)
        return profiles

    def object_patches(self, mask: np.ndarray) -> np.ndarray:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N]."""
        processor = self.processor.image_processor
        size = (mask.shape[0], mask.shape[1])
        resized = resized_size(size, dict(processor.size)) if processor.do_resize else size
        crop = processor.crop_size
        cropped = (crop["height"], crop["width"]) if processor.do_center_crop else resized
        # A patch that is exactly half covered counts; without the slack rounding would decide.
        return patch_coverage(mask, resized, cropped, self._grid) >= 0.5 - 1e-9

    @property
    def _vision(self) -> Any:
        return inner_tower(self._tower)

    @property
    def _grid(self) -> tuple[int, int]:
        config = self._tower.config
        side = config.image_size // config.patch_size
        return side, side

    @cached_property
    def _tower_shape(self) -> TowerShape:
        return TowerShape.of(self._tower, self._projector, self._projected_layers)

    @property
    def _projected_layers(self) -> int:
        """Layers that what is projected has passed; of several projected ones the deepest counts."""
        chosen = self.model.config.vision_feature_layer
        # hidden_states[0] is the embedding, so hidden_states[i] is the output of layer i - 1.
        states = self._tower.config.num_hidden_layers + 1
        return max(i % states for i in ([chosen] if isinstance(chosen, int) else chosen))

    @cached_property
    def _joint_space(self) -> JointSpace:
        if self._clip_source is None:
            raise UserError(f"backbone '{self.name}' has no text tower{self._missing_clip_hint()}")
        return JointSpace.load(self._clip_source, self._tower.config.hidden_size, self._dtype, self._device)

    @torch.inference_mode()
    def _project(self, tower_features: Tensor) -> Tensor:
        return self._projector(tower_features.to(self._dtype))

    def _missing_clip_hint(self) -> str:
        hint = ": name the CLIP model that matches its vision tower with the backbone's option clip"
        return "" if self.has_text_tower else hint

    def _attention(self, signal: str) -> tuple[nn.Module, Reduction]:
        kind, _, layer = signal.partition(":")
        layers = self._vision.encoder.layers
        index = len(layers) - 1
        if layer == "projected":
            index = self._projected_layers - 1
        elif layer != "last":
            # Published layer numbers are those of 24 layers; a shallower tower has its own at the same depth.
            index = max(1, int(int(layer[0]) / 8 * len(layers) + 0.5)) - 1
        return layers[index].self_attn, REDUCTIONS[kind]

    def _answer_dropping(
        self, kept: KeptTokens, questions: Sequence[str], dropping: Sequence[Dropping]
    ) -> list[Answer]:
        kept, questions, prompt_of = distinct_prompts(kept, questions)
        prompts = self._tokenize(questions)
        answers: dict[int, Answer] = {}
        for rows in passes(kept, prompts, self.max_new_tokens, _TOKENS_PER_PASS):
            whole = whole_prompts(self._decoder.get_input_embeddings(), kept, prompts, rows)
            entries = [q for q, prompt in enumerate(prompt_of) if prompt in rows]
            ways = [(prompt_of[q] - rows.start, dropping[q]) for q in entries]
            descents = decode_dropping(
                self._decoder, self.model.lm_head, *whole, ways, self._end_ids, self.max_new_tokens
            )
            costs = []
            for q, descent in zip(entries, descents, strict=True):
                text = len(prompts[prompt_of[q]].before) + len(prompts[prompt_of[q]].after)
                costs.append(self.shape.flops([text + count for count in descent.tokens_per_layer]))
            logprobs = torch.stack([descent.first_logprobs for descent in descents])
            found = self._read_out(Continuations([d.token_ids for d in descents], logprobs), costs)
            for q, answer, descent in zip(entries, found, descents, strict=True):
                answers[q] = replace(answer, cuts=descent.cuts, tokens_per_layer=descent.tokens_per_layer)
        return [answers[q] for q in range(len(prompt_of))]

    def _tokenize(self, questions: Sequence[str]) -> list[PromptTokens]:
        image_token = self.model.config.image_token_id
        return tokenize_prompts(self.processor.tokenizer, self.prompt, image_token, questions)

    def _read_out(self, result: Continuations, costs: Sequence[float]) -> list[Answer]:
        texts = self.processor.batch_decode(result.token_ids, skip_special_tokens=True)
        best = result.first_logprobs.amax(-1).tolist()
        margins = self._yes_no_margins(result.first_logprobs)
        fields = zip(texts, result.token_ids, best, margins, costs, strict=True)
        return [Answer(text.strip(), *rest) for text, *rest in fields]

    def _yes_no_margins(self, logprobs: Tensor) -> list[float]:
        if not self._yes or not self._no:
            return [float("nan")] * len(logprobs)
        return (logprobs[:, self._yes].logsumexp(-1) - logprobs[:, self._no].logsumexp(-1)).tolist()


def _end_ids(configured: int | list[int] | None, fallback: int | None) -> frozenset[int]:
    chosen = fallback if configured is None else configured
    if chosen is None:
        return frozenset()
    return frozenset([chosen] if isinstance(chosen, int) else chosen)
