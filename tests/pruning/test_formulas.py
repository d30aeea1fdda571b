"""Every method that cuts before the decoder, against the naive version of its formula."""

import naive
import pytest
import torch
from made_up import made_up

from robust_atp.pruning import PRUNERS, build_pruner

# These have tests of their own.
ELSEWHERE = {"none", "random", "uniform-grid", "cls-attention", "atp", "e-adaprune", "downsample"}
DROPPING = [
    ("fastervlm", {}, naive.fastervlm),
    ("vispruner", {}, naive.vispruner),
    ("vispruner", {"important": 0.2, "step": 3}, naive.vispruner),
    ("vispruner", {"important": 0.0}, naive.vispruner),
    ("vispruner", {"important": 1.0}, naive.vispruner),
    ("divprune", {}, naive.divprune),
    ("cdpruner", {}, naive.cdpruner),
    ("cdpruner", {"theta": 0.0}, naive.cdpruner),
    ("cdpruner", {"theta": 0.4}, naive.cdpruner),
    ("hiprune", {}, naive.hiprune),
    ("hiprune", {"alpha": 0.6}, naive.hiprune),
    ("hiprune", {"alpha": 1.0, "layer": "5/8"}, naive.hiprune),
    ("hiprune", {"alpha": 0.8, "wrap": True}, naive.hiprune),
    ("centre-crop", {}, naive.centre_crop),
]
MERGING = [
    ("visionzip", {}, naive.visionzip),
    ("visionzip", {"contextual": 0.5, "mixture": "mean"}, naive.visionzip),
    ("visionzip", {"contextual": 0.0}, naive.visionzip),
    ("visionzip", {"contextual": 1.0}, naive.visionzip),
    ("prumerge", {}, naive.prumerge),
    ("prumerge", {"whiskers": 0.0, "summary": False}, naive.prumerge),
    ("prumerge", {"budget": "fixed"}, naive.prumerge),
    ("prumerge", {"budget": "fixed", "neighbours": 4, "candidates": "dropped"}, naive.prumerge),
    ("prumerge", {"budget": "fixed", "neighbours": 0, "summary": False}, naive.prumerge),
    ("prumerge-plus", {}, naive.prumerge_plus),
    ("prumerge-plus", {"whiskers": 3.0, "neighbours": 3}, naive.prumerge_plus),
    ("prumerge-plus", {"budget": "fixed"}, naive.prumerge_plus),
    ("prumerge-plus", {"budget": "fixed", "attended": 0.7, "summary": False}, naive.prumerge_plus),
    ("tome", {}, naive.tome),
]
GRIDS = [(4, 4), (5, 6), (3, 7), (7, 7)]


def name_of(case):
    return f"{case[0]}-{case[1]}"


def counts(total):
    return [1, 2, 5, total // 3, total // 2, total - 2, total - 1]


def test_every_method_has_an_oracle():
    tested = ELSEWHERE | {name for name, _, _ in DROPPING + MERGING}
    methods = [build_pruner(name) for name in PRUNERS.names()]
    assert {method.name for method in methods if method.inside is None and method.tower is None} <= tested


@pytest.mark.parametrize("case", DROPPING, ids=name_of)
@pytest.mark.parametrize("grid", GRIDS)
def test_kept_tokens_are_those_of_the_formula(case, grid):
    name, options, oracle = case
    total = grid[0] * grid[1]
    tokens, text = made_up(grid, seed=total)
    for count in counts(total):
        if name == "cdpruner" and count > 7:
            continue  # features have 8 dimensions: beyond that determinants are zero, see below
        kept = build_pruner(name, options).prune(tokens, [0], text, count / total, 0, ["k"])
        assert kept.indices[0].tolist() == sorted(oracle(tokens[0], text, count, **options)), count


@pytest.mark.parametrize("case", MERGING, ids=name_of)
@pytest.mark.parametrize("grid", GRIDS)
def test_merged_tokens_are_those_of_the_formula(case, grid):
    name, options, oracle = case
    total = grid[0] * grid[1]
    tokens, text = made_up(grid, seed=total)
    for count in counts(total):
        kept = build_pruner(name, options).prune(tokens, [0], text, count / total, 0, ["k"])
        if len(kept.indices[0]) == total:
            continue  # nothing dropped, nothing merged
        expected = oracle(tokens[0], text, count, **options)
        assert kept.indices[0].tolist() == sorted(expected), count
        merged = torch.tensor([expected[place] for place in sorted(expected)])
        torch.testing.assert_close(kept.features[0], tokens[0].project(merged), rtol=1e-4, atol=1e-4)
        untouched = (merged.float() == tokens[0].signals["tower_features"][kept.indices[0]]).all(1)
        assert torch.equal(kept.features[0][untouched], tokens[0].features[kept.indices[0][untouched]])


@pytest.mark.parametrize("name", sorted({name for name, _, _ in DROPPING + MERGING}))
def test_every_option_matters(name):
    """Else an option that is ignored would pass where its value happens not to count."""
    tokens, text = made_up((7, 7), seed=1)

    def pruned(options):
        kept = build_pruner(name, options).prune(tokens, [0], text, 7 / 49, 0, ["k"])
        return kept.indices[0].tolist(), kept.features[0].tolist(), kept.position_policy

    changed = [options for method, options, _ in DROPPING + MERGING if method == name and options]
    for options in [*changed, {"position_policy": "original"}]:
        assert pruned(options) != pruned({}), options


def test_batches_of_made_up_tokens_prune_like_single_images():
    tokens, text = made_up((5, 6), images=3)
    for name in {name for name, _, _ in DROPPING + MERGING}:
        kept = build_pruner(name).prune(tokens, [0, 1, 2], text, 0.3, 0, ["a", "b", "c"])
        assert len({tuple(chosen.tolist()) for chosen in kept.indices}) == (1 if name == "centre-crop" else 3)
