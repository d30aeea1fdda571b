"""The tasks of the benchmark against the engine that answers questions. A new pruner is picked up by itself."""

from dataclasses import replace

import pytest
import torch

from robust_atp.backbones.dropping import Dropping, Survivors
from robust_atp.backbones.flops import DecoderShape
from robust_atp.benchmark.models import Make, random_decoder
from robust_atp.benchmark.scene import random_scene
from robust_atp.benchmark.shapes import SHAPES
from robust_atp.benchmark.untrained import Outline, ready
from robust_atp.benchmark.work import (
    Arm,
    Cuts,
    Watching,
    one_layer,
    whole_prefill,
    work_of,
)
from robust_atp.pruning import PRUNERS

TINY = SHAPES["tiny"]
COST = DecoderShape.of(random_decoder(TINY, Make()))
METHODS = {name: ready(name, Outline(COST, TINY.tower), seed=0) for name in PRUNERS.names()}


@pytest.fixture(scope="module")
def scene():
    needs = frozenset[str]().union(*(method.needs for method in METHODS.values()))
    with torch.inference_mode():
        return random_scene(TINY, needs, Make())


@pytest.fixture(scope="module")
def decoder():
    return random_decoder(TINY, Make())


@pytest.mark.parametrize("name", METHODS)
@torch.inference_mode()
def test_layers_are_counted_as_the_engine_runs_them(name, scene, decoder):
    arm = Arm(name, METHODS[name], 0.4)
    work = work_of(arm, scene, decoder)
    state = whole_prefill(arm, scene, decoder)()
    assert tuple(state.tokens_per_layer[0]) == work.per_layer
    assert state.hidden.shape == (1, work.per_layer[-1] + TINY.text, TINY.width)
    work.choosing()


class Rule:
    """Keeps the first tokens and notes what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, view, count):
        self.seen.append((view.visual.stop - view.visual.start, count, len(view.hidden)))
        return Survivors(torch.arange(count))


class Watcher:
    """An observer that notes what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, magnitude, cosine, visual):
        self.seen.append((magnitude.shape, cosine.shape, visual))
        return magnitude.sum(0)


def test_every_cut_is_made_once_each_time_on_as_many_tokens_as_in_the_whole_decoder(scene, decoder):
    rule = Rule()
    arm = Arm("none", METHODS["none"], 1.0)
    cuts = Cuts(Dropping(((2, 9), (3, 5), (5, 2)), rule, "original"), arm.prune(scene), scene, decoder)
    rule.seen.clear()
    for _ in range(2):
        cuts()
    once = [(16, 9, 22), (9, 5, 15), (5, 2, 11)]
    assert rule.seen == once * 2


def test_transprune_watches_the_layers_that_the_engine_lets_it_watch(scene, decoder):
    method, observed = METHODS["transprune"], []
    assert method.inside is not None
    for task_of in (whole_prefill, lambda *given: work_of(*given).choosing):
        watcher = Watcher()
        inside = replace(method.inside, observer=watcher)
        arm = Arm("transprune", replace(method, inside=inside), 0.6)
        task = task_of(arm, scene, decoder)
        watcher.seen.clear()
        task()
        observed.append([(shape, visual.stop - visual.start) for shape, _, visual in watcher.seen])
    assert observed[0] == observed[1] != []


def test_watching_sees_prompts_of_the_given_sizes(scene):
    watcher = Watcher()
    Watching(watcher, [16, 7], scene)()
    shapes = [((2, 16 + TINY.text), slice(0, 16)), ((2, 7 + TINY.text), slice(0, 7))]
    assert [(tuple(shape), visual) for shape, _, visual in watcher.seen] == shapes


def test_a_layer_can_be_run_again_and_again(scene, decoder):
    seen = []
    hook = decoder.layers[0].register_forward_hook(lambda module, given, out: seen.append(out))
    task = one_layer(5, scene, decoder)
    task()
    task()
    hook.remove()
    assert [tuple(out.shape) for out in seen] == [(1, 5 + TINY.text, TINY.width)] * 2
    assert torch.equal(*seen)


@torch.inference_mode()
def test_tied_layers_compute_what_a_model_with_these_weights_does(scene, decoder):
    own = random_decoder(TINY, Make(seed=1), tied=False)
    assert len({id(weight) for weight in own.parameters()}) == 6 * len({*decoder.layers[0].parameters()}) + 2
    assert len({id(weight) for weight in decoder.parameters()}) == len({*decoder.layers[0].parameters()}) + 2
    own.load_state_dict(decoder.state_dict())
    arm = Arm("transprune", METHODS["transprune"], 0.6)
    states = [whole_prefill(arm, scene, each)() for each in (decoder, own)]
    torch.testing.assert_close(states[0].hidden, states[1].hidden)
    for one, other in zip(states[0].kept[0], states[1].kept[0], strict=True):
        assert torch.equal(one, other)


def test_stand_ins_are_the_seeds_and_leave_the_callers_settings_alone():
    state = torch.random.get_rng_state()
    needs = frozenset({"keys:projected", "joint_patches", "tower_features"})
    make = Make(torch.bfloat16, seed=3)
    scenes = [random_scene(TINY, needs, each) for each in (make, make, replace(make, seed=4))]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32
    for name in needs:
        first, again, other = (scene.tokens.signals[name] for scene in scenes)
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    tokens = scenes[0].tokens
    assert tokens.features.dtype == torch.bfloat16
    assert tokens.project is not None
    assert torch.equal(tokens.project(tokens.signals["tower_features"]), tokens.features)
    assert tokens.signals["keys:projected"].shape == (2, 16, 8)
    torch.testing.assert_close(scenes[0].question.norm(dim=-1), torch.ones(1))
