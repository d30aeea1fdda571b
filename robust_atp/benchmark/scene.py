"""One image and one question of a true shape, filled with random numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from robust_atp.backbones.attention import REDUCTIONS, Reduction
from robust_atp.backbones.greedy import Span
from robust_atp.backbones.layout import whole_prompts
from robust_atp.backbones.prompt import PromptTokens
from robust_atp.backbones.seam import KeptTokens, Thinned, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning, pass_thinned
from robust_atp.benchmark.models import Make, passed_tower, random_joint_space
from robust_atp.benchmark.shapes import Shape


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
        norm = nn.LayerNorm(shape.tower_width)
        project = nn.Sequential(
            nn.Linear(shape.tower_width, shape.width), nn.GELU(), nn.Linear(shape.width, shape.width)
        )
    joint = random_joint_space(shape, make)
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
    tower = passed_tower(shape, make)
    return Scene(shape, tokens, signals["question"](), signals, pixels, embedded, tower)


def kind_of(signal: str) -> str:
    """``keys`` of ``keys:projected``."""
    return signal.partition(":")[0]


def _without_batch(reduce: Reduction, query: Tensor, key: Tensor, scaling: float) -> Tensor:
    return reduce(query, key, scaling)[0]
