"""HeatViT's formulas written out token by token, its schedule of cuts, its weights."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_llava import photos
from untrained_weights import heatvit

from robust_atp.backbones.flops import DecoderShape, TowerShape
from robust_atp.backbones.thinning import TowerView
from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner
from robust_atp.pruning.latency import LatencyTable
from robust_atp.pruning.methods.heatvit import HeadWeightedAttention, Learned
from robust_atp.pruning.token_selector import TokenSelector
from robust_atp.pruning.tower import InsideTower

NAMES = ["heatvit", "heatvit-free"]
LLAVA = TowerShape(576, 24, 23, 12_582_912, 1024, 16, 602_112, 20_971_520)
PHANTOM = TowerShape(196, 4, 3, 196_608, 128, 4, 98_304, 32_768)


def linear(layer, vector):
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * x for w, x in zip(row, vector, strict=True)) + bias for row, bias in rows]


def gelu(vector):
    return [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in vector]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def normed(norm, vector):
    mean = sum(vector) / len(vector)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in vector) / len(vector) + norm.eps)
    scaled = [(x - mean) / deviation for x in vector]
    return [x * w + b for x, w, b in zip(scaled, norm.weight.tolist(), norm.bias.tolist(), strict=True)]


def split(patch, heads):
    d = len(patch) // heads
    return [patch[head * d : (head + 1) * d] for head in range(heads)]


def naive_selector(selector, patches, left):
    heads = selector.heads
    local = [
        [gelu(linear(selector.embed, normed(selector.norm, x))) for x in split(p, heads)] for p in patches
    ]
    kept = [i for i, there in enumerate(left) if there]
    scores = []
    for i, patch in enumerate(patches):
        means = [sum(part) / len(part) for part in split(patch, heads)]
        attention = [sigmoid(x) for x in linear(selector.weigh[2], gelu(linear(selector.weigh[0], means)))]
        total = 0.0
        for head in range(heads):
            width = len(local[i][head])
            overall = [sum(local[j][head][c] for j in kept) / len(kept) for c in range(width)]
            hidden = gelu(linear(selector.classify[0], local[i][head] + overall))
            keep, drop = linear(selector.classify[4], gelu(linear(selector.classify[2], hidden)))
            total += attention[head] * math.exp(keep) / (math.exp(keep) + math.exp(drop))
        scores.append(total / sum(attention))
    return scores


@pytest.mark.parametrize(("width", "heads"), [(32, 4), (24, 2), (15, 3)])
def test_the_selector_is_the_formula(width, heads):
    torch.manual_seed(width)
    selector = TokenSelector(width, heads)
    for parameter in selector.parameters():
        parameter.data.mul_(3 if parameter.ndim == 2 else 1)  # else all scores are near one half
    patches = torch.randn(7, width)
    for left in ([1] * 7, [1, 0, 1, 1, 0, 0, 1]):
        scores = selector(patches, torch.tensor(left).float())
        torch.testing.assert_close(
            scores.tolist(), naive_selector(selector, patches.tolist(), left), rtol=1e-4, atol=1e-5
        )
    assert scores.std() > 0.05 * scores.mean()


def view(seed=0, left=9, width=32, heads=4):
    from transformers import CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPEncoderLayer

    torch.manual_seed(seed)
    config = CLIPVisionConfig(hidden_size=width, intermediate_size=64, num_attention_heads=heads)
    layer = CLIPEncoderLayer(config)
    for parameter in layer.parameters():
        parameter.data.mul_(10)
    return TowerView(3 * torch.randn(left + 2, width), left, layer)


@torch.inference_mode()
def test_the_stand_in_is_attention_weighted_by_head():
    seen = view()
    attention = seen.coming.self_attn
    rows = seen.coming.layer_norm1(seen.hidden)
    queries, keys = attention.q_proj(rows).tolist(), attention.k_proj(rows).tolist()
    expected = []
    for patch in range(seen.left):
        weights = [sigmoid(sum(x) / len(x)) for x in split(seen.hidden[1 + patch].tolist(), 4)]
        given = []
        for head in range(4):
            q = split(queries[0], 4)[head]
            logits = [
                sum(a * b for a, b in zip(q, split(k, 4)[head], strict=True)) / math.sqrt(8) for k in keys
            ]
            top = max(logits)
            given.append(math.exp(logits[1 + patch] - top) / sum(math.exp(x - top) for x in logits))
        expected.append(sum(w * a for w, a in zip(weights, given, strict=True)) / sum(weights))
    parting = HeadWeightedAttention()(seen, 4)
    torch.testing.assert_close(parting.weights.tolist(), expected, rtol=1e-4, atol=1e-6)
    best = sorted(range(seen.left), key=lambda i: -expected[i])[:4]
    assert parting.kept.tolist() == sorted(best)


@pytest.mark.parametrize("rule", [HeadWeightedAttention(), Learned(TokenSelector(32, 4))])
@torch.inference_mode()
def test_ties_go_to_the_lower_index_and_nan_is_an_error(rule):
    seen = view()
    alike = seen.hidden.clone()
    alike[1 : 1 + seen.left] = alike[1]
    assert rule(replace(seen, hidden=alike), 3).kept.tolist() == [0, 1, 2]
    alike[4, 3] = float("nan")
    with pytest.raises(ValueError, match="token scores are nan"):
        rule(replace(seen, hidden=alike), 3)


def test_cuts_stand_at_quarters_of_the_depth():
    schedule = InsideTower(())
    assert schedule.depths(LLAVA) == (6, 12, 18)
    assert schedule.depths(PHANTOM) == (1, 2, 3)
    assert schedule.depths(replace(PHANTOM, depth=3, layers=2)) == (1, 2, 2)
    assert schedule.depths(replace(PHANTOM, layers=2)) == (
        1,
        2,
        2,
    )  # the third would come behind what is projected
    assert schedule.depths(replace(LLAVA, depth=12, layers=11)) == (3, 6, 9)


@pytest.mark.parametrize("package", ["projected", "inside", "none"])
@pytest.mark.parametrize("tower", [LLAVA, PHANTOM, replace(PHANTOM, patches=16, depth=3, layers=2)])
def test_as_many_tokens_leave_the_tower_as_were_asked_for(package, tower):
    schedule = InsideTower(tuple("abc"), package)  # type: ignore[arg-type]  # any three things to tell apart
    total = tower.patches
    for count in (1, 2, 3, total // 4, total // 2, total - 1):
        plan = schedule.thinning(count / total, total, tower)
        assert plan is not None
        counts = [number for _, number in plan.cuts]
        assert [depth for depth, _ in plan.cuts] == sorted(set(schedule.depths(tower)))
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] + plan.projected == count
        assert plan.projected == (package == "projected" and count > 1)
        assert plan.packaged == (package != "none")
        assert plan.rules == (("a", "b", "c") if len(counts) == 3 else ("a", "c"))
    assert schedule.thinning(1.0, total, tower) is None


def test_every_cut_keeps_the_same_share():
    plan = InsideTower((None,) * 3, "none").thinning(0.125, 576, LLAVA)  # type: ignore[arg-type]
    assert plan is not None
    assert plan.cuts == ((6, 288), (12, 144), (18, 72))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_the_tower_is_left_by_the_tokens_that_the_records_show(name, count, tiny_backbone, ready):
    method = ready(name)
    images = photos(3)
    keep = count / 16
    tokens = tiny_backbone.encode(images, frozenset(), method.thinning(keep, 16, tiny_backbone))
    kept = method.prune(tokens, [0, 0, 1, 2], None, keep, 0, ["k"] * 4)
    assert list(kept.totals) == [16] * 4
    for indices, features, thinned in zip(kept.indices, kept.features, kept.thinned, strict=True):
        assert len(features) == count
        assert len(indices) + len(thinned.made_at) == count
        assert thinned.stages[-1] is indices
        assert set(indices.tolist()) <= set(thinned.stages[0].tolist())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_matters(name, tiny_backbone, ready):
    def pruned(**options):
        method = ready(name, options)
        tokens = tiny_backbone.encode(photos(1), frozenset(), method.thinning(0.4, 16, tiny_backbone))
        kept = method.prune(tokens, [0], None, 0.4, 0, ["k"])
        return kept.features[0].tolist(), kept.position_policy

    ways = [{}, {"package": "inside"}, {"package": "none"}, {"position_policy": "original"}]
    results = [pruned(**options) for options in ways]
    assert all(results.count(result) == 1 for result in results)
    with pytest.raises(UserError, match="package must be one of projected, inside, none"):
        build_pruner(name, {"package": "outside"})


@pytest.mark.parametrize("name", NAMES)
def test_tokens_of_a_whole_tower_are_refused(name, tiny_backbone, ready):
    method = ready(name)
    tokens = tiny_backbone.encode(photos(1), frozenset())
    with pytest.raises(ValueError, match=r"16 tokens left the vision tower and 5 were asked for"):
        method.prune(tokens, [0], None, 0.3, 0, ["k"])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_is_an_error(name, tiny_backbone, ready):
    method = ready(name)
    tokens = tiny_backbone.encode(photos(2), frozenset(), method.thinning(0.3, 16, tiny_backbone))
    spoiled = tokens[1].features.clone()
    spoiled[0, 0] = float("inf")
    with pytest.raises(ValueError, match="features of image 1: nan or infinite"):
        method.prune([tokens[0], replace(tokens[1], features=spoiled)], [0, 1], None, 0.3, 0, ["k"] * 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_whose_tower_cannot_be_thinned_is_refused(name, tiny_backbone, monkeypatch):
    monkeypatch.setattr(type(tiny_backbone), "tower", None)
    with pytest.raises(UserError, match=f"pruner '{name}' on backbone .* cuts inside the vision tower"):
        build_pruner(name).check(tiny_backbone)


def test_without_weights_it_cannot_prune(tiny_backbone):
    method = build_pruner("heatvit")
    assert method.trained
    with pytest.raises(ValueError, match="no weights yet"):
        tiny_backbone.encode(photos(1), frozenset(), method.thinning(0.3, 16, tiny_backbone))
    with pytest.raises(UserError, match="has no weights for"):
        method.on(tiny_backbone)


def test_each_cut_has_the_selector_that_was_trained_for_it(tiny_backbone, ready):
    tensors = heatvit(tiny_backbone.tower)
    method = ready("heatvit")
    plan = method.thinning(0.3, 16, tiny_backbone)
    assert [depth for depth, _ in plan.cuts] == [1, 2]
    for (depth, _), rule in zip(plan.cuts, plan.rules, strict=True):
        for name, value in rule.selector.state_dict().items():
            assert torch.equal(value, tensors[f"{depth}.{name}"])


def naive_latency(shares):
    """Layers 2 and 3 of the phantom's tower behind the first two cuts, the projector and 4 layers behind the third."""
    n = [196 * share for share in shares]
    tower = [2 * count * 196_608 + 4 * count**2 * 128 for count in n]
    return [tower[0], tower[1], 2 * n[2] * 32_768 + 4 * (2 * n[2] * 1000 + 4 * n[2] ** 2 * 10)]


def test_the_latency_table_counts_what_follows_each_cut():
    table = LatencyTable.counted(PHANTOM, DecoderShape(4, 1000, 10), (1, 2, 3))
    whole = sum(naive_latency((1, 1, 1)))
    for shares in ((1, 1, 1), (0.5, 0.5, 0.5), (0.8, 0.45, 0.1), (0, 0, 0)):
        expected = sum(naive_latency(shares)) / whole
        assert table(torch.tensor(shares)).item() == pytest.approx(expected, rel=1e-5)
    between = (table(torch.tensor([0.8, 0.4, 0.1])) + table(torch.tensor([0.8, 0.45, 0.1]))) / 2
    assert table(torch.tensor([0.8, 0.425, 0.1])).item() == pytest.approx(between.item())


def test_the_largest_shares_within_a_latency():
    table = LatencyTable((0.0, 1.0), ((0.0, 1.0), (0.0, 1.0), (0.0, 2.0)))  # (b + b² + 2 b³) / 4
    assert table.largest_shares(1.0) == (1, 1, 1)
    shares = table.largest_shares(0.25)
    assert shares == pytest.approx((0.5, 0.25, 0.125))
    assert table(torch.tensor(shares)) <= 0.25 < table(torch.tensor(shares) ** 0.99)


def test_latency_has_a_gradient():
    table = LatencyTable((0.0, 0.5, 1.0), ((0.0, 1.0, 4.0),))
    share = torch.tensor([0.75], requires_grad=True)
    table(share).backward()
    assert share.grad is not None
    assert share.grad.item() == pytest.approx(6 / 4)  # slope of the second piece, by the unpruned latency
