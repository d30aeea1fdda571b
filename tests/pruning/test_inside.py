"""Methods that cut inside the decoder, against their formulas written out in loops on a naive decoder."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import naive_decoder
import pytest
import torch
import untrained_weights
from naive_decoder import rms
from tiny_llava import QUESTIONS, photos

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.flops import DecoderShape
from robust_atp.backbones.greedy import Span
from robust_atp.backbones.staged import Prefill
from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS, build_pruner
from robust_atp.pruning.clustering import density_peaks
from robust_atp.pruning.inside import Powers, Table, cuts_at
from robust_atp.pruning.matching import nominal_keep, spent

CUTTING = {name: inside for name in PRUNERS.names() if (inside := build_pruner(name).inside) is not None}
INSIDE = [*CUTTING]
COUNTED = [name for name, inside in CUTTING.items() if not inside.adaptive]
ASKED = (QUESTIONS * 2)[:6]
LLAVA_7B = DecoderShape(layers=32, weights=4 * 4096**2 + 3 * 4096 * 11008, attention=4096)


def largest(scores, count):
    return sorted(sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count])


def head_mean(attention, row, scene):
    heads = len(attention)
    return [
        sum(float(attention[h, row, scene.start + i]) for h in range(heads)) / heads
        for i in range(scene.count)
    ]


def fastv(scene, count, decoder):
    return largest(head_mean(scene.layers[-1].attention, -1, scene), count), [], []


def pyramiddrop(scene, count, decoder):
    return largest(head_mean(scene.following.attention, -1, scene), count), [], []


def text_rows(scene):
    return range(scene.stop, len(scene.layers[-1].leaving))


def adaptinfer(prior):
    def choose(scene, count, decoder):
        attention, text = scene.layers[-1].attention.double(), text_rows(scene)
        scores = [0.0] * scene.count
        for head in attention:
            for t in text:
                received = sum(float(head[i, t]) for i in text)
                given = sum(float(head[t, i]) for i in text)
                weight = {
                    "symmetric": received + given - float(head[t, t]),
                    "received": received,
                    "given": given,
                    "uniform": 1.0,
                }[prior]
                for v in range(scene.count):
                    scores[v] += weight * float(head[t, scene.start + v])
        return largest(scores, count), [], []

    return choose


def transprune(reading, alpha=0.5):
    def choose(scene, count, decoder):
        now = scene.alive[-1]
        totals = dict.fromkeys(now, 0.0)
        for layer, names in zip(scene.layers, scene.alive, strict=True):
            visual = [n for n, name in enumerate(names) if scene.start <= name < scene.start + scene.total]
            among = visual if reading == "paper" else range(len(names))
            for entering, out in zip(layer.into, layer.out, strict=True):
                cosine = [
                    float(torch.dot(a, b) / a.norm() / b.norm()) for a, b in zip(entering, out, strict=True)
                ]
                turn = [1 - (abs(c) if reading == "paper" else c) for c in cosine]
                whole = sum(math.exp(turn[n]) for n in among)
                for n in visual:
                    magnitude = float(out[n].norm() / entering[n].norm())
                    totals[names[n]] = totals.get(names[n], 0.0) + math.exp(turn[n]) / whole * magnitude
        transition = [totals[name] for name in now[scene.start : scene.stop]]
        rows = text_rows(scene)
        guidance = [0.0] * scene.count
        for t in rows:
            for v, weight in enumerate(head_mean(scene.following.attention, t, scene)):
                guidance[v] += weight / len(rows)
        scores = [
            alpha * t / sum(transition) + (1 - alpha) * g / sum(guidance)
            for t, g in zip(transition, guidance, strict=True)
        ]
        return largest(scores, count), [], []

    return choose


def dart(scene, count, decoder, pivots=4):
    keys, states = scene.layers[-1].keys, rms(scene.layers[-1].leaving, decoder.norm)
    norms = [sum(abs(float(x)) for head in keys for x in head[t]) for t in range(len(states))]
    kept = largest(norms[scene.start : scene.stop], min(pivots, count))
    words = largest(norms[scene.stop :], pivots)
    order = [scene.start + i for i in kept] + [scene.stop + i for i in words]
    chosen, rest = list(kept), [i for i in range(scene.count) if i not in kept]
    shares = [0] * len(order)
    for turn in range(count - len(kept)):
        shares[turn % len(order)] += 1
    for pivot, share in zip(order, shares, strict=True):
        alike = {
            i: float(torch.cosine_similarity(states[pivot], states[scene.start + i], dim=0)) for i in rest
        }
        gone = sorted(rest, key=lambda i: (alike[i], i))[:share]
        chosen += gone
        rest = [i for i in rest if i not in gone]
    return sorted(chosen), [], []


def sparsevlm(recycle):
    def choose(scene, count, decoder):
        visual, text = (
            scene.prompt[scene.start : scene.start + scene.total],
            scene.prompt[scene.start + scene.total :],
        )
        relevance = [0.0] * len(text)
        for v in visual:
            logits = [float(torch.dot(v, t)) for t in text]
            whole = sum(math.exp(x - max(logits)) for x in logits)
            for t, x in enumerate(logits):
                relevance[t] += math.exp(x - max(logits)) / whole / len(visual)
        raters = [t for t, r in enumerate(relevance) if r > sum(relevance) / len(relevance)]
        scores = [0.0] * scene.count
        for t in raters:
            for v, weight in enumerate(head_mean(scene.layers[-1].attention, scene.stop + t, scene)):
                scores[v] += weight / len(raters)
        if not recycle:
            return largest(scores, count), [], []
        for kept in range(count, -1, -1):
            pool = int((scene.count - kept) * 0.3 + 1e-9)
            new = pool // 10 + 1 if pool else 0
            if kept + new == count:
                break
        indices = largest(scores, kept)
        if not new:
            return indices, [], []
        second = sorted(largest([-1.0 if i in indices else s for i, s in enumerate(scores)], pool))
        states = scene.layers[-1].leaving[[scene.start + i for i in second]]
        centres, members = naive_peaks(states, new)
        merged = [sum(states[i] for i in group) / len(group) for group in members]
        return indices, merged, [second[c] for c in centres]

    return choose


def naive_peaks(states, clusters):
    n, root = len(states), math.sqrt(states.shape[1])
    far = [[float((a - b).norm()) / root for b in states] for a in states]
    density = [math.exp(-sum(d * d for d in sorted(row)[:clusters]) / clusters) for row in far]
    score = []
    for i in range(n):
        denser = [far[i][j] for j in range(n) if (density[j], -j) > (density[i], -i)]
        score.append(density[i] * (min(denser) if denser else max(map(max, far))))
    centres = largest(score, clusters)
    members = [[c] for c in centres]
    for i in set(range(n)) - set(centres):
        members[min(range(clusters), key=lambda c: (far[i][centres[c]], c))].append(i)
    return centres, members


def atp_llava(scene, count, decoder):
    """The network written out, the spatial grid on 4 × 4 tokens."""
    untrained = untrained_weights.atp_llava(len(decoder.layers))
    weights = {name: tensor.double().tolist() for name, tensor in untrained.items()}
    depth = len(scene.layers)
    attention, n = scene.layers[-1].attention.double().mean(0), scene.count
    vision = [
        sum(float(attention[scene.start + j, scene.start + i]) for j in range(i, n)) / (n - i)
        for i in range(n)
    ]
    rows = text_rows(scene)
    text = [sum(float(attention[t, scene.start + i]) for t in rows) / len(rows) for i in range(n)]
    vision, text = (
        [(x - min(scores)) / (max(scores) - min(scores)) if n > 1 else 0.0 for x in scores]
        for scores in (vision, text)
    )
    hidden = []
    for (a, b), bias in zip(weights[f"{depth}.hidden.weight"], weights[f"{depth}.hidden.bias"], strict=True):
        z = a * sum(vision) / n + b * sum(text) / n + bias
        hidden.append(z * 0.5 * (1 + math.erf(z / math.sqrt(2))))
    thresholds = [
        1 / (1 + math.exp(-bias - sum(w * z for w, z in zip(row, hidden, strict=True))))
        for row, bias in zip(weights[f"{depth}.heads.weight"], weights[f"{depth}.heads.bias"], strict=True)
    ]
    shares = [row[depth - 1] for row in weights["shares"]]
    above = next(r for r, share in enumerate(shares) if share >= count / scene.total)
    part = (count / scene.total - shares[above - 1]) / (shares[above] - shares[above - 1]) if above else 0.0
    low, high = weights["offsets"][max(above - 1, 0)], weights["offsets"][above]
    shift = low + part * (high - low)
    margin = []
    for i, name in enumerate(scene.alive[-1][scene.start : scene.stop]):
        row, column = divmod(name - scene.start, 4)
        spatial = 0.0
        for stride in (2, 4, 8):
            if row % stride == column % stride == 0:
                spatial = 1 - 3 / stride**2
        redundancy = (vision[i] + text[i]) / 2
        margin.append(max(redundancy - thresholds[0], spatial - thresholds[1]))
    kept = [i for i in range(n) if margin[i] > shift]
    return kept or largest(margin, 1), [], []


NAIVE: list[tuple[str, dict[str, Any], Callable]] = [
    ("fastv", {}, fastv),
    ("pyramiddrop", {}, pyramiddrop),
    ("sparsevlm", {}, sparsevlm(True)),
    ("sparsevlm", {"recycle": False}, sparsevlm(False)),
    *(
        ("adaptinfer", {"prior": prior}, adaptinfer(prior))
        for prior in ("symmetric", "received", "given", "uniform")
    ),
    ("transprune", {}, transprune("code")),
    ("transprune", {"reading": "paper", "alpha": 0.9}, transprune("paper", 0.9)),
    ("dart", {}, dart),
    ("atp-llava", {}, atp_llava),
]


@pytest.fixture(scope="module")
def tokens(tiny_backbone):
    return tiny_backbone.encode(photos(6), tiny_backbone.provides)


@pytest.fixture(scope="module")
def whole(tokens):
    return build_pruner("fastv").prune(tokens, range(6), None, 1.0, 0, ["k"] * 6)


def way_of(method, keep, total, layers):
    way = method.dropping(keep, total, layers, (4, 4) if total == 16 else None)
    assert way is not None
    return way


def choose(method, view, count):
    assert method.inside is not None
    return method.inside.rule(view, count)


def answers(backbone, whole, way):
    return backbone.answer(whole, ASKED, [way] * 6)


def test_every_method_has_a_naive_twin():
    assert {name for name, _, _ in NAIVE} == set(INSIDE)


@pytest.mark.parametrize("keep", [0.12, 0.45])
@pytest.mark.parametrize(("name", "options", "naive"), NAIVE)
def test_a_ragged_batch_is_what_the_formula_says_one_by_one(
    tiny_backbone, ready, whole, name, options, naive, keep
):
    decoder = tiny_backbone.model.model.language_model
    way = way_of(ready(name, options), keep, 16, 3)
    found = answers(tiny_backbone, whole, way)
    for q in (0, 1, 5):
        expected, first, kept, per_layer = naive_decoder.answer(
            tiny_backbone, whole.features[q], ASKED[q], way.cuts,
            lambda scene, count: naive(scene, count, decoder), way.position_policy, adaptive=way.adaptive,
        )  # fmt: skip
        assert [list(cut) for cut in found[q].cuts] == kept
        assert found[q].token_ids == expected
        assert found[q].first_token_logprob == pytest.approx(float(first.max()), abs=2e-4)
        assert list(found[q].tokens_per_layer) == per_layer


def test_methods_and_options_choose_differently(tiny_backbone, ready, whole):
    """The test above could not tell them apart if they did not."""
    chosen = set()
    for name, options, _ in NAIVE:
        way = replace(way_of(ready(name, options), 0.3, 16, 3), cuts=((2, 6),), observed_from=2)
        chosen.add(tuple(answer.cuts for answer in answers(tiny_backbone, whole, way)))
    assert len(chosen) == len(NAIVE)


@pytest.mark.parametrize("name", INSIDE)
def test_keeping_all_is_the_unpruned_model(tiny_backbone, ready, whole, name):
    way = way_of(ready(name), 1.0, 16, 3)
    plain = tiny_backbone.answer(whole, ASKED)
    for one, other in zip(plain, answers(tiny_backbone, whole, way), strict=True):
        assert one.token_ids == other.token_ids
        assert one.first_token_logprob == pytest.approx(other.first_token_logprob, abs=1e-4)


@pytest.mark.parametrize("name", INSIDE)
def test_half_precision_runs_through(tiny_llava_folder, ready, name):
    backbone = load_backbone(BackboneSpec(str(tiny_llava_folder), dtype="bfloat16"))
    tokens = backbone.encode(photos(2), frozenset())
    method = ready(name, backbone=backbone)
    kept = method.prune(tokens, range(2), None, 1.0, 0, ["k"] * 2)
    for answer in backbone.answer(kept, ASKED[:2], [way_of(method, 0.3, 16, 3)] * 2):
        assert math.isfinite(answer.first_token_logprob)
        assert answer.tokens_per_layer[-1] < 16


@pytest.mark.parametrize("count", [1, 15, 16])
@pytest.mark.parametrize("name", INSIDE)
def test_the_smallest_and_the_largest_budgets(tiny_backbone, ready, whole, name, count):
    way = replace(way_of(ready(name), 0.5, 16, 3), cuts=((1, count), (2, count)))
    for answer in answers(tiny_backbone, whole, way):
        assert answer.tokens_per_layer == (16, *map(len, answer.cuts))
        for cut in answer.cuts:
            assert list(cut) == sorted(set(cut))
            assert len(cut) == count or (way.adaptive and count < 16 and len(cut) >= 1)


@pytest.mark.parametrize("name", INSIDE)
def test_deterministic_and_without_global_randomness(tiny_backbone, ready, whole, name):
    way = way_of(ready(name), 0.3, 16, 3)
    state = torch.random.get_rng_state()
    first = answers(tiny_backbone, whole, way)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert answers(tiny_backbone, whole, way) == first


def view_of(backbone, embeddings, visual):
    state = Prefill(
        backbone.model.model.language_model, [Span(embeddings, torch.arange(len(embeddings)))], [visual]
    )
    state.advance(1)
    return state.view(0, (1, visual.stop - visual.start))


@pytest.mark.parametrize("name", INSIDE)
@torch.no_grad()
def test_broken_states_are_an_error(tiny_backbone, ready, name):
    embeddings = torch.randn(12, 32)
    embeddings[4, 0] = float("nan")
    with pytest.raises(ValueError, match="nan"):
        choose(ready(name), view_of(tiny_backbone, embeddings, slice(2, 8)), 3)


@pytest.mark.parametrize("name", INSIDE)
@torch.no_grad()
def test_a_prompt_that_ends_with_the_image(tiny_backbone, ready, name):
    view = view_of(tiny_backbone, torch.randn(8, 32), slice(2, 8))
    if name in ("fastv", "pyramiddrop"):  # the last token is then a visual one
        assert len(choose(ready(name), view, 3).indices) == 3
    else:
        with pytest.raises(ValueError, match="no text after the image"):
            choose(ready(name), view, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", COUNTED)
def test_tokens_that_are_all_alike_are_kept_from_the_first_on(ready, name, dtype):
    def attention(rows):
        return torch.full((2, len(range(30)[rows]), 30), 0.25, dtype=dtype)

    states = torch.ones(30, 8, dtype=dtype)
    view = SimpleNamespace(
        decoder=SimpleNamespace(get_submodule=lambda name: torch.nn.Identity()),
        hidden=states, keys=torch.ones(1, 30, 4, dtype=dtype), visual=slice(2, 26), text=slice(26, 30),
        prompt=states, prompt_visual=slice(2, 26), observed=torch.ones(30),
        attention=attention, next_attention=attention,
    )  # fmt: skip
    chosen = choose(ready(name), view, 9)
    assert chosen.indices.tolist() == list(range(9 - chosen.merged_count))


def test_two_clusters_do_not_depend_on_chance():
    """Two nearest neighbours of each other tie exactly; the published code lets noise decide which is a centre."""
    states = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    centres, member_of = density_peaks(states, 2)
    assert centres.tolist() == [0, 2]
    assert member_of.tolist() == [0, 0, 1, 1]
    assert density_peaks(torch.zeros(5, 3), 2)[0].tolist() == [0, 1]
    generator = torch.Generator().manual_seed(0)
    for clusters in (1, 2, 3, 5):
        states = torch.randn(9, 4, generator=generator)
        centres, members = naive_peaks(states, clusters)
        found, member_of = density_peaks(states, clusters)
        assert found.tolist() == centres
        assert [(member_of == c).nonzero()[:, 0].tolist() for c in range(clusters)] == [
            sorted(m) for m in members
        ]


@pytest.mark.parametrize(
    ("name", "options", "keep", "cuts", "mean"),
    [
        ("adaptinfer", {}, 128 / 576, ((2, 290), (11, 72), (21, 18)), 146.3),
        ("adaptinfer", {}, 64 / 576, ((2, 133), (11, 27), (21, 3)), 82.9),
        ("adaptinfer", {}, 48 / 576, ((2, 80), (11, 24), (21, 2)), 66.7),
        ("adaptinfer", {}, 32 / 576, ((2, 40), (11, 12), (21, 0)), 51.0),
        ("sparsevlm", {}, 192 / 576, ((3, 309), (7, 204), (16, 113)), 206.5),
        ("sparsevlm", {}, 128 / 576, ((3, 312), (7, 117), (16, 39)), 145.4),
        ("sparsevlm", {}, 64 / 576, ((3, 82), (7, 32), (16, 18)), 82.3),
        ("pyramiddrop", {}, 0.5, ((8, 288), (16, 144), (24, 72)), 270.0),
        ("transprune", {}, 0.41015625, ((7, 504), (9, 360), (12, 72)), 236.25),
        ("transprune", {}, 0.3125, ((7, 288), (9, 144), (12, 36)), 180.0),
        ("fastv", {}, 0.5, ((2, 288),), 306.0),
        ("dart", {}, 0.25, ((2, 144),), 171.0),
    ],
)
def test_published_schedules(name, options, keep, cuts, mean):
    way = way_of(build_pruner(name, options), keep, 576, 32)
    assert way.cuts == cuts
    assert sum(way.tokens_per_layer(576, 32)) / 32 == pytest.approx(mean, abs=0.051)


@pytest.mark.parametrize(
    ("layer", "counts"), [(2, {192: 166, 128: 98, 64: 30}), (3, {192: 152, 128: 82, 64: 11})]
)
def test_fastv_at_an_average_keeps_what_the_tables_mean(layer, counts):
    method = build_pruner("fastv", {"layer": layer})
    for average, count in counts.items():
        keep = nominal_keep(method, average / 576, "mean_tokens", 576, LLAVA_7B)
        assert way_of(method, keep, 576, 32).cuts == ((layer, count),)


def test_transprune_high_costs_what_the_paper_says():
    way = way_of(build_pruner("transprune"), 0.41015625, 576, 32)
    # The paper counts a multiply-add as one operation, we as two.
    assert LLAVA_7B.flops(way.tokens_per_layer(576, 32)) / 2 == pytest.approx(1.557e12, rel=1e-3)
    assert LLAVA_7B.flops([576] * 32) / 2 == pytest.approx(3.817e12, rel=1e-3)
    assert spent("prefill_flops", way.tokens_per_layer(576, 32), 576, LLAVA_7B) == pytest.approx(
        0.408, abs=5e-4
    )


@pytest.mark.parametrize("budget", ["mean_tokens", "prefill_flops"])
@pytest.mark.parametrize("name", [*COUNTED, "random"])
def test_every_method_meets_a_budget_to_within_a_token_a_stage(name, budget):
    method = build_pruner(name)
    for keep in (0.3, 0.4, 0.7, 1.0):
        nominal = nominal_keep(method, keep, budget, 576, LLAVA_7B)
        way = method.dropping(nominal, 576, 32)
        counts = [round(nominal * 576)] * 32 if way is None else way.tokens_per_layer(576, 32)
        assert spent(budget, counts, 576, LLAVA_7B) == pytest.approx(keep, abs=1.5 / 576)


def test_a_budget_below_the_first_layers_is_refused():
    with pytest.raises(UserError, match=r"keep 0.2 cannot be reached by pruner 'pyramiddrop' by mean_tokens"):
        nominal_keep(build_pruner("pyramiddrop"), 0.2, "mean_tokens", 576, LLAVA_7B)


@pytest.mark.parametrize(
    ("after", "layers", "cuts"),
    [
        ((7, 9, 12), 32, (7, 9, 12)),
        ((7, 9, 12), 40, (9, 11, 15)),
        ((7, 9, 12), 4, (1, 2, 3)),
        ((8, 16, 24), 4, (1, 2, 3)),
        ((2, 11, 21), 4, (1, 2, 3)),
        ((8, 16, 24), 3, (1, 2, 2)),
        ((31,), 4, (3,)),
        ((2,), 4, (1,)),
        ((2, 11, 21), 2, (1, 1, 1)),
    ],
)
def test_cuts_scale_with_the_depth_and_stay_apart(after, layers, cuts):
    assert cuts_at(after, 32, layers) == cuts


def test_shares_interpolate_between_published_rows():
    table = Table(((0.2, (0.5, 0.1)), (0.4, (0.9, 0.3))))
    assert table(0.4) == (0.9, 0.3)
    assert table(0.3) == pytest.approx((0.7, 0.2))
    assert table(0.1) == pytest.approx((0.25, 0.05))
    assert table(0.7) == pytest.approx((0.95, 0.65))
    assert table(1.0) == (1.0, 1.0)
    assert Powers(3)(0.5) == (0.5, 0.25, 0.125)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fastv", {"layer": 0}, "layer must be between 1 and 31; got 0, nearest valid: 1"),
        ("adaptinfer", {"prior": "symetric"}, "did you mean 'symmetric'"),
        ("adaptinfer", {"after": [1, 2]}, r"after must be three ascending layers within 1\.\.31"),
        ("adaptinfer", {"after": [1, 2, 4], "layers": 4}, r"within 1\.\.3 \(option layers is 4\)"),
        ("transprune", {"alpha": 2}, "alpha must be between 0 and 1"),
        ("transprune", {"reading": "codes"}, "did you mean 'code'"),
        ("dart", {"visual_pivots": 0}, "visual_pivots must be between 1 and"),
        ("sparsevlm", {"recycle": "yes"}, "recycle must be one of True, False"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        build_pruner(name, options)


@pytest.mark.parametrize("name", COUNTED)
def test_a_spectral_budget_scales_all_stages_image_by_image(tiny_backbone, tokens, name):
    method = build_pruner("e-adaprune", {"ranker": name, "tau": 0.9})
    alone = build_pruner("e-adaprune", {"tau": 0.9}).prune(tokens, range(6), None, 0.5, 0, ["k"] * 6)
    assert len({len(indices) for indices in alone.indices}) > 1
    ways = method.droppings(tokens, [5, 0, 1], 0.5, 32)
    counts = [len(alone.indices[image]) for image in (5, 0, 1)]
    assert ways == [
        replace(way_of(build_pruner(name), count / 16, 16, 32), position_policy="compacted")
        for count in counts
    ]
    kept = method.prune(tokens, range(6), None, 0.5, 0, ["k"] * 6)
    assert {len(indices) for indices in kept.indices} == {16}
    assert len(tiny_backbone.answer(kept, ASKED, method.droppings(tokens, range(6), 0.5, 3))) == 6


def test_a_backbone_whose_decoder_cannot_drop_is_refused():
    bare = SimpleNamespace(name="bare", provides=frozenset(), has_text_tower=False, drops_inside=False)
    with pytest.raises(
        UserError, match="'fastv' on backbone 'bare' cuts inside the decoder, which has to be one of"
    ):
        build_pruner("fastv").check(bare)
