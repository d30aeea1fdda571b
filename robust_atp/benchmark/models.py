"""Models of a true shape with random weights. How long they take depends on shapes, not on what they have learned."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
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

from robust_atp.backbones.joint_space import JointSpace
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


def passed_tower(shape: Shape, make: Make) -> list[nn.Module]:
    """Layers of a CLIP tower that change nothing, for rules that look at their weights."""
    config = CLIPVisionConfig(
        hidden_size=shape.tower_width,
        intermediate_size=4 * shape.tower_width,
        num_attention_heads=shape.tower_heads,
    )
    with make():
        return [_PassedBy(config)] * shape.tower_layers


class _PassedBy(CLIPEncoderLayer):
    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, **kwargs: Any) -> Tensor:
        return hidden_states


def random_joint_space(shape: Shape, make: Make) -> JointSpace:
    """The text tower and projections of the CLIP model whose vision tower it is. It knows one word: ``word``."""
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
