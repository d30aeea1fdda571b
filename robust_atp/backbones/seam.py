"""The seam at which every vision-language model is cut: encode images | prune | answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.tasks import SHORT_ANSWER

if TYPE_CHECKING:
    from robust_atp.backbones.dropping import Dropping
    from robust_atp.backbones.flops import PrefillShape, TowerShape
    from robust_atp.backbones.shrinking import Shrinking
    from robust_atp.backbones.thinning import Thinning


@dataclass(frozen=True)
class View:
    """Tokens of an image that pruning methods look at by themselves, like those of one tile."""

    tokens: Tensor  # [n] ascending, among the image's N
    grid: tuple[int, int]  # rows, columns; rows * columns == n


@dataclass(frozen=True)
class Layout:
    """How the N visual tokens of an image stand in the decoder's sequence, among others that are never dropped.

    ``slots`` holds the number of the visual token in each place of the sequence, ascending, or -1 for one of the
    others, like the end of a line. ``places`` are position ids relative to the image's first; rotary positions may
    have several axes.
    """

    slots: Tensor  # [M]
    places: Tensor  # [M] or [M, axes]
    fixed: Tensor  # [M - N, D] the others


@dataclass(frozen=True)
class Thinned:
    """What became of an image's N patches in a vision tower that dropped some of them on the way.

    M tokens made of dropped patches follow the kept ones. Under position policy ``original`` token m takes the
    position id of the dropped patch ``made_at[m]``.
    """

    stages: tuple[Tensor, ...]  # grid positions left after each cut, ascending
    made_at: Tensor  # [M]
    total: int  # N


@dataclass(frozen=True)
class VisionTokens:
    """Visual tokens of one image, computed once for all arms and questions. N may differ between images.

    ``features`` are ready for what comes next: projected for the language model, or, where tokens are pruned
    before a resampler, what that reads. ``signals`` holds what pruners asked for, by name:

    ========================================  ============  ================================================
    ``cls_attention:<layer>``                 [H, N]        softmax attention of the CLS query to each patch
    ``single_head_cls_attention:<layer>``     [1, N]        the same with all heads taken for one wide head
    ``received_attention:<layer>``            [H, N]        attention each patch receives, mean over queries
    ``keys:<layer>``                          [H, N, d]     attention keys of the patches
    ``tower_features``                        [N, C]        what is projected: the vision tower's output
    ``joint_patches``                         [N, J]        patches in CLIP's joint space, unit length
    ========================================  ============  ================================================

    ``<layer>`` is ``projected`` (the layer whose output is projected), ``last``, or a fraction of the depth
    from ``1/8`` to ``7/8``: 3/8 of 24 layers is the ninth. ``project`` maps ``tower_features``, or mixtures
    of them, to ``features``; whoever provides the one provides the other.

    A backbone that sees an image several times has an ``overview``, a coarser grid whose tokens come before those
    of ``grid``, and ``views``: parts that every method prunes on their own. Without a ``layout`` tokens stand one
    after the other, at consecutive position ids.

    Where the tower ``thinned`` the image, ``features`` are those of the tokens that left it, and nothing else is
    known of the image.
    """

    features: Tensor  # [N, D], or [K + M, D] if thinned
    grid: tuple[int, int]  # rows, columns; rows * columns == N, less the overview's
    signals: Mapping[str, Tensor] = field(default_factory=dict)
    project: Callable[[Tensor], Tensor] | None = None  # [..., C] -> [..., D]
    off_grid: Tensor | None = None
    """Tokens beside those of the grid, which no pruner drops [M, D]: the CLS token that a Q-Former reads."""
    kind: str = "patches"
    """``patches`` of the image, or ``queries`` of a resampler, whose grid is one row and no place in the image."""
    area: str = "whole"
    """What the grid lies over: the ``whole`` image, its ``centre`` square, or the ``padded`` square around it."""
    overview: tuple[int, int] | None = None
    views: tuple[View, ...] = ()  # a partition of the N; empty: all of them are one view
    layout: Layout | None = None
    thinned: Thinned | None = None
    encode_flops: float = math.nan
    """Floating-point operations of tower and projector; nan where nobody counts them."""

    @property
    def total(self) -> int:
        """Number of visual tokens N before any was dropped."""
        return len(self.features) if self.thinned is None else self.thinned.total

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """Grids over the whole image, in the order of their tokens."""
        return (self.grid,) if self.overview is None else (self.overview, self.grid)

    def whole(self) -> "VisionTokens":
        """Take all views for one, whose tokens lie in one row if they have no common grid."""
        if not self.views:
            return self
        total = len(self.features)
        return self.part(View(torch.arange(total, device=self.features.device), (1, total)))

    def part(self, view: View) -> "VisionTokens":
        """Leave out what is not in ``view``."""
        # Signals of a layer are by head, those without a layer are not.
        signals = {
            name: signal[:, view.tokens] if ":" in name else signal[view.tokens]
            for name, signal in self.signals.items()
        }
        return VisionTokens(self.features[view.tokens], view.grid, signals, self.project)


@dataclass(frozen=True)
class KeptTokens:
    """What a pruner leaves of each of Q questions' images. K may differ between questions.

    Where tokens were merged, ``indices`` are the positions that survive, and ``features`` may hold mixtures.
    Where the vision tower ``thinned`` the images, tokens that it made anew follow those at ``indices``.
    """

    features: Sequence[Tensor]  # Q × [K_q + M_q, D], in raster order
    indices: Sequence[Tensor]  # Q × [K_q], ascending positions on the grid
    totals: Sequence[int]  # Q × N, tokens before pruning
    position_policy: str  # "original" | "compacted"
    off_grid: Sequence[Tensor | None]  # Q × [M, D], as in ``VisionTokens``
    layouts: Sequence[Layout | None] = ()  # Q, or none at all
    thinned: Sequence[Thinned | None] = ()  # Q, or nothing if no tower dropped any

    def places(self, question: int) -> Tensor:
        """Position on the grid of every token of ``features`` [K_q + M_q]."""
        thinned = self.thinned[question] if self.thinned else None
        indices = self.indices[question]
        return indices if thinned is None else torch.cat([indices, thinned.made_at])


@dataclass(frozen=True)
class Answer:
    """A greedy answer with what the probes need of its first token."""

    text: str
    token_ids: tuple[int, ...]  # generated ids, without the end token
    first_token_logprob: float
    yes_no_margin: float  # log p(yes) - log p(no); nan where the vocabulary lacks them
    prefill_flops: float
    cuts: tuple[tuple[int, ...], ...] = ()
    """Grid positions kept after each cut inside the decoder, ascending, without merged tokens."""
    tokens_per_layer: tuple[int, ...] = ()
    """Visual tokens that each layer processed, merged and never dropped ones included; empty if none was dropped
    on the way."""
    tokens_llm: int | None = None
    """Visual tokens that entered the decoder; None: those that were kept. A resampler makes the two differ, and
    so do tokens that are never dropped."""
    first_logprobs: Tensor | None = field(default=None, repr=False, compare=False)
    """Log-probabilities of the first token over the vocabulary [V]; whoever stores answers leaves them out."""


class Backbone(Protocol):
    """A vision-language model behind the seam."""

    name: str
    revision: str  # resolved commit or content hash of the weights
    capabilities: Capabilities
    prompts: Mapping[str, str]  # by task: the template that questions are put in, with <image> and {question}

    @property
    def shape(self) -> "PrefillShape":
        """What decides the cost of visual tokens from where they are pruned on."""

    def encode(self, images: Sequence[np.ndarray], signals: frozenset[str]) -> list[VisionTokens]:
        """Run preprocessing, vision tower and projector on B uint8 RGB images of any size."""

    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Unit-length CLIP text embeddings [Q, J] of the matching text tower."""

    def answer(
        self,
        kept: KeptTokens,
        questions: Sequence[str],
        dropping: "Sequence[Dropping] | None" = None,
        task: str = SHORT_ANSWER,
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens, put as ``prompts[task]`` has it.

        With ``dropping``, one for each question, more of them leave on the way through the decoder.
        """

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Attention of the text after the image to each visual token, for Q questions: Q × [layers, K_q]."""

    def object_patches(self, mask: np.ndarray) -> np.ndarray | None:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N].

        None where visual tokens are no patches: a resampler's queries have no place in the image.
        """


class ThinsTower(Backbone, Protocol):
    """A backbone whose vision tower can lose patches on the way: ``capabilities.thins_tower`` says so."""

    @property
    def tower(self) -> "TowerShape":
        """What decides the vision tower's cost."""

    def encode(
        self,
        images: Sequence[np.ndarray],
        signals: frozenset[str],
        thinning: "Thinning | Shrinking | None" = None,
    ) -> list[VisionTokens]:
        """Encode as ever; with ``thinning``, patches leave on the way or fewer enter, and there are no signals."""
