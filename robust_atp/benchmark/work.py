"""The work that a pruning method makes and the layers that it leaves less to do, as tasks to be timed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from robust_atp.backbones.branching import cut, descend
from robust_atp.backbones.dropping import Dropping, Observer
from robust_atp.backbones.seam import KeptTokens
from robust_atp.backbones.staged import Prefill
from robust_atp.backbones.transitions import observed_transitions
from robust_atp.benchmark.scene import Scene
from robust_atp.benchmark.timing import Task
from robust_atp.pruning.method import Method


@dataclass(frozen=True)
class Arm:
    """A method at a nominal budget, under the name that a table gives it."""

    label: str
    method: Method
    keep: float

    def prune(self, scene: Scene) -> KeptTokens:
        """What the method lets enter the decoder."""
        tower, shape = self.method.tower, scene.shape
        thinning = None if tower is None else tower.thinning(self.keep, shape.total, shape.tower)
        tokens = [scene.leaving(thinning)]
        return self.method.prune(tokens, [0], scene.question, self.keep, 0, ["stand-in"])

    def way(self, scene: Scene) -> Dropping | None:
        """What the method drops inside the decoder."""
        ways = self.method.droppings([scene.tokens], [0], self.keep, scene.shape.layers)
        return None if ways is None else ways[0]


@dataclass(frozen=True)
class Work:
    """What an arm does to one prompt."""

    choosing: Task
    """All that it computes to choose, merge and drop tokens. Before the decoder that is ``Method.prune``, with what
    precedes it inside the vision tower; inside the decoder the rule at each cut with the attention rows that it asks
    for, the dropping itself, and the observer."""
    per_layer: tuple[int, ...]
    """Visual tokens that each layer of the decoder processes."""


def work_of(arm: Arm, scene: Scene, decoder: PreTrainedModel) -> Work:
    """Find out, by doing it once."""
    kept, way, layers = arm.prune(scene), arm.way(scene), scene.shape.layers
    parts: list[Task] = [lambda: arm.prune(scene), lambda: arm.way(scene)]
    per_layer = [len(kept.features[0])] * layers
    if way is not None:
        cuts = Cuts(way, kept, scene, decoder)
        parts.append(cuts)
        per_layer = [*cuts.per_layer, *[cuts.left] * (layers - len(cuts.per_layer))]
    if way is not None and way.observer is not None:
        watched = per_layer[way.observed_from - 1 : way.cuts[-1][0]]
        parts.append(Watching(way.observer, watched, scene))
    return Work(lambda: [part() for part in parts], tuple(per_layer))


class Cuts:
    """All cuts of one way through the decoder, each on a prompt that has just come there.

    ``per_layer`` are the visual tokens in the layers up to the last cut, ``left`` how many that leaves.
    """

    def __init__(self, way: Dropping, kept: KeptTokens, scene: Scene, decoder: PreTrainedModel) -> None:
        self._way = way
        self._arrived: list[Prefill] = []
        state = Prefill(decoder, *scene.prompt(kept, decoder))
        for number, (depth, _) in enumerate(way.cuts):
            state.advance(depth, way.observer, way.observed_from)
            self._arrived.append(state.fork([0]))
            cut(state, [way], number)
        self.per_layer = state.tokens_per_layer[0]
        self.left = state.visual[0].stop - state.visual[0].start

    def __call__(self) -> None:
        """Make all cuts."""
        for number, state in enumerate(self._arrived):
            cut(state.fork([0]), [self._way], number)


class Watching:
    """What an observer adds to the layers that it watches, on a layer that does nothing itself."""

    def __init__(self, observer: Observer, counts: Sequence[int], scene: Scene) -> None:
        self._observer = observer
        self._layer = _Idle()
        like, text = scene.tokens.features, scene.shape.text
        self._watched = [(like.new_ones(1, count + text, like.shape[1]), slice(0, count)) for count in counts]

    def __call__(self) -> None:
        """Watch all layers."""
        for hidden, visual in self._watched:
            with observed_transitions(self._layer) as transitions:
                self._layer(hidden)
            magnitude, cosine = torch.stack(transitions, 1)[:, :, 0]
            self._observer(magnitude, cosine, visual)


class _Idle(nn.Module):
    """The modules of a decoder layer that are watched, all of them empty."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm, self.self_attn = nn.Identity(), nn.Identity()
        self.post_attention_layernorm, self.mlp = nn.Identity(), nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        attended = self.self_attn(self.input_layernorm(hidden))
        return self.mlp(self.post_attention_layernorm(attended))


def one_layer(count: int, scene: Scene, decoder: PreTrainedModel) -> Task:
    """One decoder layer on a prompt with ``count`` visual tokens."""
    features = scene.tokens.features[:count]
    kept = KeptTokens(
        [features], [torch.arange(count, device=features.device)], [scene.shape.total], "original"
    )
    state = Prefill(decoder, *scene.prompt(kept, decoder))
    return lambda: state.fork([0]).advance(1)


def whole_prefill(arm: Arm, scene: Scene, decoder: PreTrainedModel) -> Callable[[], Prefill]:
    """One prompt through all layers of ``decoder``, pruned on the way as the arm has it; signals are at hand.

    The task returns where the prompt arrives.
    """

    def prefill() -> Prefill:
        kept, way = arm.prune(scene), arm.way(scene)
        state = Prefill(decoder, *scene.prompt(kept, decoder))
        if way is None:
            state.advance(scene.shape.layers)
        else:
            descend(state, [way], scene.shape.layers)
        return state

    return prefill
