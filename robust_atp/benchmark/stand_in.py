"""Stand-ins of a backbone's true shape: its layers and one image's tokens, filled with random numbers.

How long a computation takes depends on shapes, not on what the numbers mean.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    AutoModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from robust_atp.backbones.attention import REDUCTIONS, Reduction
from robust_atp.backbones.greedy import Span
from robust_atp.backbones.joint_space import JointSpace
from robust_atp.backbones.layout import whole_prompts
from robust_atp.backbones.prompt import PromptTokens
from robust_atp.backbones.seam import KeptTokens, Thinned, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning, pass_thinned
from robust_atp.benchmark.shapes import Shape

_VOCABULARY = 64  # the size of a table that is only looked up in costs no time


@dataclass(frozen=True)
class Make:
    """Where random tensors are made, in what number format, and from what seed."""

    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    seed: int = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Make all new tensors so; global randomness and settings are the caller's again afterwards."""
        before = torch.get_default_dtype()
        with torch.device(self.device), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            torch.set_default_dtype(self.dtype)
            try:
                yield
            finally:
                torch.set_default_dtype(before)

    def model(self, config: PreTrainedConfig) -> PreTrainedModel:
        """A fresh model on SDPA."""
        with self():
            return AutoModel.from_config(config, dtype=self.dtype, attn_implementation="sdpa").eval()


@dataclass(frozen=True)
class Scene:
    """One image, one question, and how their signals are computed."""

    shape: Shape
    tokens: VisionTokens
    question: Tensor  # [1, J]
    signals: Mapping[str, Callable[[], Tensor]]
    """By the kind of signal, from what the vision tower has at hand anyway: queries, keys and hidden states.
    ``question`` is the question's embedding."""
    pixels: Tensor  # [1, 3, H, W]
    embedded: Tensor  # [1, 1 + N, C], what enters the tower's first layer
    tower: Sequence[nn.Module]

    def leaving(self, thinning: Thinning | Shrinking | None) -> VisionTokens:
        """What leaves a vision tower whose layers do nothing, thinned on the way; ``tokens`` if it is not."""
        if thinning is None:
            return self.tokens
        if isinstance(thinning, Shrinking):
            thinning.shrink(self.pixels, self.shape.patch)
            places = thinning.places(self.shape.grid).to(self.pixels.device)
            thinned = Thinned((places,), places[:0], self.shape.total)
        else:
            _, (thinned,), _ = pass_thinned(self.tower, self.embedded, thinning, self.shape.tower.layers)
        count = len(thinned.stages[-1]) + len(thinned.made_at)
        return VisionTokens(self.tokens.features[:count], self.shape.grid, thinned=thinned)

    def prompt(self, kept: KeptTokens, decoder: PreTrainedModel) -> tuple[list[Span], list[slice]]:
        """The prompt around its kept tokens, and where in it they stand."""
        words = PromptTokens((1,) * self.shape.text_before, (2,) * self.shape.text_after)
        return whole_prompts(decoder.get_input_embeddings(), kept, [words], [0])


def random_decoder(shape: Shape, make: Make, tied: bool = True) -> PreTrainedModel:
    """A language model of that shape; if ``tied``, all layers have the weights of one, which saves memory only.

    A layer of LLaVA-1.5-7B is larger than a processor's cache: its weights are read anew either way.
    """
    config = LlamaConfig(
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        num_attention_heads=shape.heads,
        num_hidden_layers=1 if tied else shape.layers,
        vocab_size=_VOCABULARY,
        max_position_embeddings=4096,
    )
    decoder = make.model(config)
    if tied:
        (layer,) = decoder.get_submodule("layers").children()
        twins = nn.ModuleList(_twin(layer, number) for number in range(shape.layers))
        decoder.set_submodule("layers", twins)
        decoder.config.num_hidden_layers = shape.layers
    return decoder


def _twin(layer: nn.Module, number: int) -> nn.Module:
    """A layer with the same weights and a number of its own, by which it finds its place in a cache."""
    twin: Any = deepcopy(layer, {id(weight): weight for weight in layer.parameters()})
    twin.self_attn.layer_idx = number
    return twin


def random_scene(shape: Shape, needs: frozenset[str], make: Make) -> Scene:
    """An image with the signals in ``needs``, a projector of two layers like LLaVA's, and a question."""
    per_head = shape.tower_width // shape.tower_heads
    with make():
        # Sharper than a fresh layer's, as in trained towers: box plots should have outliers.
        query = 2 * torch.randn(1, shape.tower_heads, shape.total + 1, per_head)
        key = torch.randn(1, shape.tower_heads, shape.total + 1, per_head)
        embedded = torch.randn(1, 1 + shape.total, shape.tower_width)
        hidden = embedded[:, 1:]
        pixels = torch.randn(1, 3, shape.grid[0] * shape.patch, shape.grid[1] * shape.patch)
        passed_by = _PassedBy(_vision_config(shape))
        norm = nn.LayerNorm(shape.tower_width)
        project = nn.Sequential(
            nn.Linear(shape.tower_width, shape.width), nn.GELU(), nn.Linear(shape.width, shape.width)
        )
    joint = _joint_space(shape, make)
    question = " ".join(["word"] * (shape.text_after // 2))  # the rest is the template's
    attention: dict[str, Callable[[], Tensor]] = {
        kind: partial(_without_batch, reduce, query, key, per_head**-0.5)
        for kind, reduce in REDUCTIONS.items()
    }
    signals: dict[str, Callable[[], Tensor]] = {
        **attention,
        "tower_features": lambda: hidden[0],
        "joint_patches": lambda: joint.embed_patches(norm(hidden))[0],
        "question": lambda: joint.embed_texts([question]),
    }
    tokens = VisionTokens(
        project(hidden[0]),
        shape.grid,
        {name: signals[kind_of(name)]() for name in sorted(needs)},
        lambda tower: project(tower.to(make.dtype)),
    )
    tower = [passed_by] * shape.tower_layers
    return Scene(shape, tokens, signals["question"](), signals, pixels, embedded, tower)


class _PassedBy(CLIPEncoderLayer):
    """A layer of a CLIP tower that changes nothing. Rules look at its weights."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, **kwargs: Any) -> Tensor:
        return hidden_states


def _vision_config(shape: Shape) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=shape.tower_width,
        intermediate_size=4 * shape.tower_width,
        num_attention_heads=shape.tower_heads,
    )


def kind_of(signal: str) -> str:
    """``keys`` of ``keys:projected``."""
    return signal.partition(":")[0]


def _without_batch(reduce: Reduction, query: Tensor, key: Tensor, scaling: float) -> Tensor:
    return reduce(query, key, scaling)[0]


def _joint_space(shape: Shape, make: Make) -> JointSpace:
    width = shape.joint_width
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=shape.joint_layers,
        num_attention_heads=max(1, width // 64),
        vocab_size=_VOCABULARY,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "word": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    with make():
        text, visual = (nn.Linear(inputs, width, bias=False) for inputs in (width, shape.tower_width))
    return JointSpace(make.model(config), text, visual, tokenizer)
