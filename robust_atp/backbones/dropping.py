"""What decides, between two layers of a decoder, which visual tokens of a prompt go on."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb


@dataclass(frozen=True)
class Survivors:
    """Visual tokens of one prompt that go on, and new ones made of those that do not.

    New tokens follow the old ones, before the text. Under position policy ``original`` new token m takes the
    position id of the dropped token ``merged_at[m]``.
    """

    indices: Tensor  # [K] ascending, counted among the visual tokens that were left
    merged: Tensor | None = None  # [M, D] hidden states
    merged_at: Tensor | None = None  # [M], counted like indices

    @property
    def merged_count(self) -> int:
        """Number of new tokens M."""
        return 0 if self.merged is None else len(self.merged)


class Rule(Protocol):
    """Chooses at most ``count`` of the visual tokens of one prompt; called only if there are more.

    Under ``Dropping.adaptive`` it chooses as many as the prompt asks for, ``count`` on average over prompts.
    """

    def __call__(self, view: "View", count: int) -> Survivors:
        """Choose; merged tokens count too."""


class Observer(Protocol):
    """Sees what every layer of a stretch does to the tokens of one prompt, and scores them for it."""

    def __call__(self, magnitude: Tensor, cosine: Tensor, visual: slice) -> Tensor:
        """Score tokens [T] by ``‖out‖ / ‖in‖`` and ``cos(out, in)`` of attention and MLP, both [2, T]."""


@dataclass(frozen=True)
class Dropping:
    """How one prompt loses visual tokens inside the decoder.

    ``cuts`` holds (layers passed, visual tokens that stay), ascending in the first and descending in the second;
    layers are counted from 1, so a cut after 2 leaves layers 1 and 2 untouched. ``observer`` watches the layers
    from number ``observed_from`` up to the last cut; the sum of its scores is ``View.observed``.
    ``position_policy``: position ids after a cut are ``original`` (with gaps) or ``compacted`` (renumbered, so
    that a token has another position id in later layers than in earlier ones).

    With ``adaptive`` the rule decides how many stay and counts are what it is to keep on average: it is then asked
    at every cut whose count is below the number of tokens that entered, and not only if more than that are left.
    ``grid`` (rows, columns) is where these stood, for rules that want to know.
    """

    cuts: tuple[tuple[int, int], ...]
    rule: Rule
    position_policy: str
    observer: Observer | None = None
    observed_from: int = 0
    adaptive: bool = False
    grid: tuple[int, int] | None = None

    @property
    def own_from(self) -> int:
        """Layers that a prompt passes before it matters which method prunes it."""
        first_cut = self.cuts[0][0]
        return first_cut if self.observer is None else min(first_cut, self.observed_from - 1)

    def tokens_per_layer(self, total: int, layers: int) -> list[int]:
        """Visual tokens that each layer processes if exactly ``count`` are left after each cut."""
        counts = [total] * layers
        for depth, count in self.cuts:
            counts[depth:] = [min(count, counts[depth - 1])] * (layers - depth)
        return counts


@dataclass(frozen=True)
class View:
    """What a rule may look at: one prompt between two layers, without padding.

    Attention is computed on demand for the rows that are asked for: from the queries of these rows and the
    keys in the cache. No layer runs a second time, which would put its keys into the cache twice, and the
    model stays on SDPA.
    """

    decoder: PreTrainedModel
    depth: int  # layers passed, at least 1
    hidden: Tensor  # [T, D] after the last layer
    entering: Tensor  # [T, D] before it
    positions: Tensor  # [T] position ids in the last layer
    keys: Tensor  # [kv heads, T, d] of the last layer, rotated
    visual: slice  # visual tokens among the T
    prompt: Tensor  # [T₀, D] embeddings of the whole prompt as it entered the decoder
    prompt_visual: slice  # visual tokens among the T₀
    observed: Tensor  # [T] sum of the observer's scores
    places: Tensor  # [n] numbers of the visual tokens among those that entered; -1 for merged ones
    grid: tuple[int, int] | None  # rows, columns of those that entered

    @property
    def text(self) -> slice:
        """Tokens after the image: question and rest of the template. ``ValueError`` if there are none."""
        if self.visual.stop == len(self.hidden):
            raise ValueError("the prompt has no text after the image that could say what matters in it")
        return slice(self.visual.stop, len(self.hidden))

    def attention(self, rows: slice) -> Tensor:
        """Causal softmax attention of the last layer, of the queries in ``rows``: float32 [heads, R, T]."""
        layer = self.decoder.get_submodule(f"layers.{self.depth - 1}")
        return self._attention(layer, self.entering, self.keys, rows)

    def next_attention(self, rows: slice) -> Tensor:
        """What ``attention`` would be in the next layer, had nothing been dropped: float32 [heads, R, T]."""
        layer = self.decoder.get_submodule(f"layers.{self.depth}")
        keys = self._project(layer, "k", self.hidden, slice(None))
        return self._attention(layer, self.hidden, keys, rows)

    def _attention(self, layer: nn.Module, entering: Tensor, keys: Tensor, rows: slice) -> Tensor:
        queries = self._project(layer, "q", entering, rows)  # [heads, R, d]
        # Query heads that share a key head stand together.
        keys = keys.repeat_interleave(len(queries) // len(keys), dim=0)
        attention: Any = layer.get_submodule("self_attn")
        logits = (queries @ keys.transpose(-1, -2)).float() * attention.scaling  # [heads, R, T]
        places = torch.arange(len(entering), device=logits.device)
        hidden_from = places[rows, None] < places[None, :]
        return logits.masked_fill(hidden_from, -torch.inf).softmax(-1)

    def _project(self, layer: nn.Module, kind: str, entering: Tensor, rows: slice) -> Tensor:
        """Rotated queries or keys of the given rows [heads, R, d]."""
        attention: Any = layer.get_submodule("self_attn")
        normed = layer.get_submodule("input_layernorm")(entering[rows])
        projected = attention.get_submodule(f"{kind}_proj")(normed)
        states = projected.view(len(normed), -1, attention.head_dim).transpose(0, 1)[None]
        cos, sin = self.decoder.get_submodule("rotary_emb")(states, self.positions[None, rows])
        return apply_rotary_pos_emb(states, states, cos, sin)[0][0]
