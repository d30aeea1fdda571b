"""The seam at which every vision-language model is cut: encode images | prune | answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from robust_atp.backbones.dropping import Dropping
    from robust_atp.backbones.flops import DecoderShape, TowerShape
    from robust_atp.backbones.shrinking import Shrinking
    from robust_atp.backbones.thinning import Thinning


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

    ``features`` are ready for the language model (already projected). ``signals`` holds what pruners asked
    for, by name:

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

    Where the tower ``thinned`` the image, ``features`` are those of the tokens that left it, and nothing else is
    known of the image. ``encode_flops`` are the floating-point operations of tower and projector.
    """

    features: Tensor  # [N, D], or [K + M, D] if thinned
    grid: tuple[int, int]  # rows, columns; rows * columns == N
    signals: Mapping[str, Tensor] = field(default_factory=dict)
    project: Callable[[Tensor], Tensor] | None = None  # [..., C] -> [..., D]
    thinned: Thinned | None = None
    encode_flops: float = math.nan

    @property
    def total(self) -> int:
        """Number of patches N before any was dropped."""
        return len(self.features) if self.thinned is None else self.thinned.total


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
    """Visual tokens that each layer processed, merged ones included; empty if none was dropped on the way."""
    tokens_llm: int | None = None
    """Visual tokens that entered the decoder; None: those that were kept. A resampler makes the two differ."""


class Backbone(Protocol):
    """A vision-language model behind the seam."""

    name: str
    revision: str  # resolved commit or content hash of the weights

    @property
    def shape(self) -> "DecoderShape":
        """What decides the decoder's prefill cost."""

    @property
    def drops_inside(self) -> bool:
        """Whether ``answer`` can drop tokens on the way through the decoder."""

    @property
    def provides(self) -> frozenset[str]:
        """Names of the signals that ``encode`` can compute."""

    @property
    def has_text_tower(self) -> bool:
        """Whether ``embed_questions`` can be called."""

    @property
    def tower(self) -> "TowerShape | None":
        """What decides the vision tower's cost; None if ``encode`` cannot drop patches on the way through it."""

    def encode(
        self,
        images: Sequence[np.ndarray],
        signals: frozenset[str],
        thinning: "Thinning | Shrinking | None" = None,
    ) -> list[VisionTokens]:
        """Run preprocessing, vision tower and projector on B uint8 RGB images of any size.

        With ``thinning``, patches leave on the way through the tower, or fewer of them enter it, and no signals
        are computed.
        """

    def embed_questions(self, questions: Sequence[str]) -> Tensor:
        """Unit-length CLIP text embeddings [Q, J] of the matching text tower."""

    def answer(
        self, kept: KeptTokens, questions: Sequence[str], dropping: "Sequence[Dropping] | None" = None
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens.

        With ``dropping``, one for each question, more of them leave on the way through the decoder.
        """

    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Attention of the text after the image to each visual token, for Q questions: Q × [layers, K_q]."""

    def object_patches(self, mask: np.ndarray) -> np.ndarray:
        """Which patches have at least half their area inside a bool mask [H, W] of the image: bool [N]."""
