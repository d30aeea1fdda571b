"""ATP against its formula, written out token by token."""

import itertools
import math

import pytest
import torch

from robust_atp.backbones.seam import VisionTokens
from robust_atp.pruning import build_pruner


def sample(seed, tokens=12, heads=3, joint=5):
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(tokens, joint, generator=generator)
    attention = {
        f"{kind}:{layer}": torch.rand(heads, tokens, generator=generator)
        for kind in ("cls_attention", "received_attention")
        for layer in ("projected", "last")
    }
    signals = attention | {"joint_patches": torch.nn.functional.normalize(patches, dim=-1)}
    text = torch.nn.functional.normalize(torch.randn(1, joint, generator=generator), dim=-1)
    features = torch.randn(tokens, 4, generator=generator)
    return [VisionTokens(features, (3, tokens // 3), signals)], text


def naive_minmax(values):
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def naive_zscore(values):
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / deviation for value in values]


def naive_scores(tokens, text, alpha, kind, layer, sign, normalise):
    attention = tokens[0].signals[f"{kind}:{layer}"].tolist()
    intra = [sum(head[i] for head in attention) / len(attention) for i in range(len(attention[0]))]
    patches, query = tokens[0].signals["joint_patches"].tolist(), text[0].tolist()
    inter = [sign * sum(p * q for p, q in zip(patch, query, strict=True)) for patch in patches]
    pairs = zip(normalise(inter), normalise(intra), strict=True)
    return [alpha * x + (1 - alpha) * a for x, a in pairs]


NORMALISATIONS = {"minmax": naive_minmax, "zscore": naive_zscore, "none": list}
KINDS = {"given": "cls_attention", "received": "received_attention"}


@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 1])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_kept_set_is_the_top_of_the_formula(alpha, normalisation):
    for attention, layer, sign in itertools.product(KINDS, ("projected", "last"), (1, -1)):
        options = {
            "alpha": alpha,
            "attention": attention,
            "layer": layer,
            "similarity_sign": sign,
            "normalisation": normalisation,
        }
        tokens, text = sample(seed=7)
        scores = naive_scores(
            tokens, text, alpha, KINDS[attention], layer, sign, NORMALISATIONS[normalisation]
        )
        expected = sorted(sorted(range(12), key=lambda i: -scores[i])[:5])
        kept = build_pruner("atp", options).prune(tokens, [0], text, 5 / 12, 0, ["k"])
        assert kept.indices[0].tolist() == expected, options


def test_every_option_matters():
    """Else a wrong default would pass the test above unnoticed."""
    tokens, text = sample(seed=7)
    default = build_pruner("atp").prune(tokens, [0], text, 5 / 12, 0, ["k"]).indices[0].tolist()
    for option in (
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"attention": "received"},
        {"layer": "last"},
        {"similarity_sign": -1},
        {"normalisation": "none"},
    ):
        kept = build_pruner("atp", option).prune(tokens, [0], text, 5 / 12, 0, ["k"])
        assert kept.indices[0].tolist() != default, option


def test_at_alpha_zero_it_is_cls_attention_and_needs_no_text():
    tokens, _ = sample(seed=3)
    method = build_pruner("atp", {"alpha": 0})
    assert not method.needs_text
    assert method.needs == {"cls_attention:projected"}
    ours = method.prune(tokens, [0], None, 0.4, 0, ["k"])
    plain = build_pruner("cls-attention").prune(tokens, [0], None, 0.4, 0, ["k"])
    assert ours.indices[0].tolist() == plain.indices[0].tolist()


def test_at_alpha_one_it_needs_no_attention():
    assert build_pruner("atp", {"alpha": 1}).needs == {"joint_patches"}


def test_cumulative_mass_keeps_as_few_as_cover_the_mass():
    counts = set()
    for seed in range(6):
        tokens, text = sample(seed)
        scores = naive_scores(tokens, text, 0.5, "cls_attention", "projected", 1, naive_minmax)
        mass = sorted((math.exp(score / 0.2) for score in scores), reverse=True)
        share, count = 0.0, 0
        while share < 0.6:
            share += mass[count] / sum(mass)
            count += 1
        method = build_pruner("atp", {"budget": "cumulative_mass", "temperature": 0.2})
        kept = method.prune(tokens, [0], text, 0.6, 0, ["k"])
        assert len(kept.indices[0]) == count
        counts.add(count)
    assert len(counts) > 1
