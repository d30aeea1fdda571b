"""Prompts on their way through a decoder's layers, losing visual tokens between them."""

from collections.abc import Sequence, Set
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, PreTrainedModel

from robust_atp.backbones.dropping import Observer, Survivors, View
from robust_atp.backbones.greedy import Continuations, Span, pick_likeliest
from robust_atp.backbones.transitions import observed_transitions


@dataclass(frozen=True)
class Stage:
    """What a stretch of layers has in common: which columns of its cache hold tokens, and where these end."""

    first_layer: int
    valid: Tensor  # bool [B, T]
    position: Tensor  # [B, 1] position id of each row's last token
    padded: bool

    def grown(self) -> "Stage":
        """Return the stage with room for one more token in every row."""
        valid = torch.cat([self.valid, self.valid.new_ones(len(self.valid), 1)], 1)
        return replace(self, valid=valid, position=self.position + 1)


class Prefill:
    """B prompts that have passed the first ``depth`` layers of a Llama-family decoder.

    Every layer is given its own mask, rotary angles and position ids, because after a cut no two stretches of
    layers need agree on any of them; the decoder's own ``forward`` hands the same ones to all, and guesses packed
    sequences from the gaps in position ids. Rows are padded on the right: causality alone keeps the padding from
    the prompt, and only generated tokens, which come after it, need a mask.
    """

    def __init__(self, decoder: PreTrainedModel, prompts: Sequence[Span], visual: Sequence[slice]) -> None:
        """``prompts`` are whole prompts, ``visual`` says where their visual tokens stand."""
        assert is_llama_family(decoder)
        self.decoder = decoder
        self.depth = 0
        self.prompts = [span.embeddings for span in prompts]
        self.prompt_visual = list(visual)
        self.visual = list(visual)
        self.places = [
            torch.arange(v.stop - v.start, device=p.device) for v, p in zip(visual, self.prompts, strict=True)
        ]
        self.hidden = _pad(self.prompts)  # [B, T, D]
        self.entering = self.hidden
        self.positions = _pad([span.positions for span in prompts])  # [B, T]
        self.observed = torch.zeros(self.positions.shape, device=self.hidden.device)  # [B, T]
        self.cache = DynamicCache(config=decoder.config)
        self.stages: list[Stage] = []
        self.kept: list[list[Tensor]] = [[] for _ in prompts]
        self.tokens_per_layer: list[list[int]] = [[] for _ in prompts]
        self._begin_stage([len(prompt) for prompt in self.prompts])

    def fork(self, rows: Sequence[int]) -> "Prefill":
        """Return an independent continuation of some of the prompts.

        Nothing is copied if they are all the prompts there are: tensors are replaced, never written to.
        """
        other = copy(self)
        other.cache = copy(self.cache)
        other.cache.layers = [copy(layer) for layer in self.cache.layers]
        for name in ("prompts", "prompt_visual", "visual", "places", "_lengths"):
            setattr(other, name, [getattr(self, name)[row] for row in rows])
        other.kept = [list(self.kept[row]) for row in rows]
        other.tokens_per_layer = [list(self.tokens_per_layer[row]) for row in rows]
        other.stages = list(self.stages)
        if list(rows) != list(range(len(self.prompts))):
            chosen = torch.tensor(rows, device=self.hidden.device)
            for name in ("hidden", "entering", "positions", "observed"):
                setattr(other, name, getattr(self, name)[chosen])
            if self.depth:
                other.cache.batch_select_indices(chosen)
            other.stages = [
                replace(s, valid=s.valid[chosen], position=s.position[chosen]) for s in self.stages
            ]
        return other

    def advance(self, depth: int, observer: Observer | None = None, observed_from: int = 0) -> None:
        """Run the layers up to number ``depth``, those from ``observed_from`` on under the observer's eyes."""
        rotary = self.decoder.get_submodule("rotary_emb")(self.hidden, self.positions)
        for number in range(self.depth, depth):
            layer = self.decoder.get_submodule(f"layers.{number}")
            self.entering = self.hidden
            watched = observer is not None and number + 1 >= observed_from
            with observed_transitions(layer if watched else None) as transitions:
                self.hidden = _run(layer, self.hidden, None, self.positions, rotary, self.cache)
            if observer is not None and watched:
                self._observe(observer, torch.stack(transitions, 1))
            for visual, counts in zip(self.visual, self.tokens_per_layer, strict=True):
                counts.append(visual.stop - visual.start)
        self.depth = depth

    def view(self, row: int, grid: tuple[int, int] | None = None) -> View:
        """What a rule may look at in one prompt, whose visual tokens stood on ``grid``."""
        n = self._lengths[row]
        last: Any = self.cache.layers[self.depth - 1]
        return View(
            decoder=self.decoder,
            depth=self.depth,
            hidden=self.hidden[row, :n],
            entering=self.entering[row, :n],
            positions=self.positions[row, :n],
            keys=last.keys[row, :, :n],
            visual=self.visual[row],
            prompt=self.prompts[row],
            prompt_visual=self.prompt_visual[row],
            observed=self.observed[row, :n],
            places=self.places[row],
            grid=grid,
        )

    def drop(self, survivors: Sequence[Survivors | None], position_policy: str) -> None:
        """Let only the survivors of each prompt's visual tokens go on; ``None`` lets all of them."""
        hidden, positions, observed = [], [], []
        for row, chosen in enumerate(survivors):
            parts = self._row(row) if chosen is None else self._row_without(row, chosen)
            hidden.append(parts[0])
            positions.append(
                torch.arange(len(parts[1]), device=parts[1].device)
                if chosen is not None and position_policy == "compacted"
                else parts[1]
            )
            observed.append(parts[2])
            self.kept[row].append(self.places[row][self.places[row] >= 0])
        self.hidden, self.positions, self.observed = _pad(hidden), _pad(positions), _pad(observed)
        self._begin_stage([len(row) for row in hidden])

    def decode(self, head: nn.Module, end_ids: Set[int], max_new_tokens: int) -> Continuations:
        """Pick the likeliest token until the end; every layer goes on from its own cache length."""
        rows = torch.arange(len(self._lengths), device=self.hidden.device)
        last = torch.tensor(self._lengths, device=rows.device) - 1
        norm = self.decoder.get_submodule("norm")
        logits = head(norm(self.hidden[rows, last])).float()  # [B, V]
        first_logprobs = logits.log_softmax(-1)

        def step(tokens: Tensor) -> Tensor:
            return head(norm(self._pass_on(tokens))).float()

        return Continuations(pick_likeliest(logits, step, end_ids, max_new_tokens), first_logprobs)

    def _pass_on(self, tokens: Tensor) -> Tensor:
        """Send one generated token per row through all layers: hidden states [B, D]."""
        self.stages = [stage.grown() for stage in self.stages]
        hidden = self.decoder.get_input_embeddings()(tokens)[:, None]  # [B, 1, D]
        ends = [stage.first_layer for stage in self.stages[1:]] + [self.depth]
        for stage, end in zip(self.stages, ends, strict=True):
            mask = stage.valid[:, None, None] if stage.padded else None  # [B, 1, 1, T]
            rotary = self.decoder.get_submodule("rotary_emb")(hidden, stage.position)
            for number in range(stage.first_layer, end):
                layer = self.decoder.get_submodule(f"layers.{number}")
                hidden = _run(layer, hidden, mask, stage.position, rotary, self.cache)
        return hidden[:, 0]

    def _row(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        n = self._lengths[row]
        return self.hidden[row, :n], self.positions[row, :n], self.observed[row, :n]

    def _row_without(self, row: int, chosen: Survivors) -> tuple[Tensor, Tensor, Tensor]:
        """Take what goes on of one prompt, and move its image's borders and places accordingly."""
        hidden, positions, observed = self._row(row)
        visual, indices = self.visual[row], chosen.indices
        at = indices[:0] if chosen.merged_at is None else chosen.merged_at
        new = hidden[:0] if chosen.merged is None else chosen.merged.to(hidden.dtype)
        order = torch.cat([indices, at])
        self.visual[row] = slice(visual.start, visual.start + len(order))
        self.places[row] = torch.cat([self.places[row][indices], torch.full_like(at, -1)])
        pieces = [
            torch.cat([hidden[visual][indices], new]),
            positions[visual][order],
            observed[visual][order],
        ]
        hidden, positions, observed = (
            torch.cat([full[: visual.start], piece, full[visual.stop :]])
            for full, piece in zip((hidden, positions, observed), pieces, strict=True)
        )
        return hidden, positions, observed

    def _observe(self, observer: Observer, transitions: Tensor) -> None:
        """Add an observer's scores of the layer just passed; ``transitions`` is [2, 2, B, T]."""
        scores = torch.zeros_like(self.observed)
        for row, (n, visual) in enumerate(zip(self._lengths, self.visual, strict=True)):
            magnitude, cosine = transitions[:, :, row, :n]
            scores[row, :n] = observer(magnitude, cosine, visual)
        self.observed = self.observed + scores

    def _begin_stage(self, lengths: list[int]) -> None:
        self._lengths = lengths
        ends = torch.tensor(lengths, device=self.hidden.device)[:, None]  # [B, 1]
        valid = torch.arange(self.hidden.shape[1], device=ends.device) < ends
        padded = min(lengths) < self.hidden.shape[1]
        self.stages.append(Stage(self.depth, valid, self.positions.gather(1, ends - 1), padded))


def _run(
    layer: nn.Module,
    hidden: Tensor,
    mask: Tensor | None,
    positions: Tensor,
    rotary: tuple[Tensor, Tensor],
    cache: DynamicCache,
) -> Tensor:
    return layer(
        hidden,
        attention_mask=mask,
        position_ids=positions,
        position_embeddings=rotary,
        past_key_values=cache,
        use_cache=True,
    )


def _pad(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True)


def is_llama_family(decoder: PreTrainedModel) -> bool:
    """Whether a decoder's layers have the modules, by the names, that this file and ``View`` reach for."""
    needed = {"input_layernorm", "post_attention_layernorm", "self_attn.q_proj", "self_attn.k_proj", "mlp"}
    names = {name.removeprefix("layers.0.") for name, _ in decoder.named_modules()}
    return needed <= names and {"norm", "rotary_emb"} <= names
