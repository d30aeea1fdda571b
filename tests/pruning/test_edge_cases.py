"""Where released code crashes, repeats itself or loses tokens: each has a defined result here."""

import pytest
import torch
from made_up import made_up, with_signals

from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner


def prune(name, tokens, text, count, **options):
    total = len(tokens[0].features)
    kept = build_pruner(name, options).prune(tokens, [0], text, count / total, 0, ["k"])
    return kept.indices[0].tolist(), kept.features[0]


@pytest.mark.parametrize("count", [2, 3, 6, 7, 10, 11])
def test_vispruner_takes_odd_pools(count):
    """N = 16 and r = ½: at K ≡ 2, 3 mod 4 the pool of 16 - ⌊K / 2⌋ is odd."""
    tokens, text = made_up((4, 4))
    kept, _ = prune("vispruner", tokens, text, count)
    assert len(kept) == len(set(kept)) == count


def test_vispruner_drops_the_duplicate_with_less_attention():
    tokens, text = made_up((1, 4))
    tower = torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    attention = torch.tensor([[0.4, 0.3, 0.2, 0.1]])
    tokens = with_signals(tokens, tower_features=tower, cls_attention__projected=attention)
    # Even ranks 0 and 2 face odd ranks 1 and 3, which are both like rank 0 and unlike rank 2.
    assert prune("vispruner", tokens, text, 3, important=0.0)[0] == [1, 2, 3]


def test_prumerge_without_outliers_keeps_the_strongest_and_a_summary():
    tokens, text = made_up((5, 6))
    flat = torch.full((1, 30), 1 / 31)
    tokens = with_signals(tokens, single_head_cls_attention__last=flat)
    assert prune("prumerge", tokens, text, 10)[0] == [0, 1]
    # One outlier: every tenth of 30 tokens, and the summary in the place of the next strongest.
    assert prune("prumerge-plus", tokens, text, 10)[0] == [0, 1, 10, 20]


def test_prumerge_plus_with_outliers_everywhere_keeps_all():
    tokens, text = made_up((7, 7))
    attention = torch.full((1, 49), 1e-3)
    attention[0, ::5] = 0.1  # 10 of 49, more than a sixth and less than a quarter
    tokens = with_signals(tokens, single_head_cls_attention__last=attention)
    kept, features = prune("prumerge-plus", tokens, text, 10)
    assert kept == list(range(49))
    assert torch.equal(features, tokens[0].features)


@pytest.mark.parametrize("name", ["prumerge", "prumerge-plus"])
def test_prumerge_has_fewer_tokens_than_neighbours(name):
    """The 32 nearest of 30 tokens."""
    tokens, text = made_up((5, 6))
    for budget in ("adaptive", "fixed"):
        kept, features = prune(name, tokens, text, 20, budget=budget)
        assert len(kept) == len(features) == len(set(kept))


def test_adaptive_k_follows_the_image_and_keep_one_is_unpruned():
    tokens, text = made_up((7, 7), images=4)
    method = build_pruner("prumerge", {"whiskers": 0.5})
    some = method.prune(tokens, [0, 1, 2, 3], text, 0.5, 0, ["k"] * 4)
    assert len({len(chosen) for chosen in some.indices}) > 1
    again = method.prune(tokens, [0, 1, 2, 3], text, 0.1, 0, ["k"] * 4)
    assert [i.tolist() for i in again.indices] == [i.tolist() for i in some.indices]
    everything = method.prune(tokens, [0], text, 1.0, 0, ["k"])
    assert torch.equal(everything.features[0], tokens[0].features)


def test_divprune_repeats_no_index_among_duplicates():
    tokens, text = made_up((4, 4))
    features = tokens[0].features.clone()
    features[8:] = features[:8]
    assert prune("divprune", with_signals(tokens, features=features), text, 16)[0] == list(range(16))
    kept, _ = prune("divprune", with_signals(tokens, features=features), text, 8)
    assert sorted(place % 8 for place in kept) == list(range(8))


def test_cdpruner_fills_up_by_relevance_beyond_the_rank_of_the_features():
    """8 dimensions hold 8 tokens; the released code then repeats indices (12 asked, 9 distinct)."""
    tokens, text = made_up((5, 6))
    relevance = -(tokens[0].signals["joint_patches"] @ text[0])
    spanning = set(prune("cdpruner", tokens, text, 8)[0])
    kept = set(prune("cdpruner", tokens, text, 12)[0])
    left = [place for place in relevance.argsort(descending=True).tolist() if place not in spanning]
    assert kept == spanning | set(left[:4])
    assert prune("cdpruner", tokens, text, 30)[0] == list(range(30))


def test_cdpruner_without_contrast_in_relevance_is_plain_diversity():
    tokens, text = made_up((4, 4))
    flat = torch.ones_like(tokens[0].signals["joint_patches"])
    kept, _ = prune("cdpruner", with_signals(tokens, joint_patches=flat), text, 6)
    assert kept == prune("cdpruner", tokens, text, 6, theta=0.0)[0]


def test_cdpruner_near_theta_one_is_top_k_by_relevance_and_does_not_overflow():
    tokens, text = made_up((4, 4))
    relevance = -(tokens[0].signals["joint_patches"] @ text[0])
    kept, _ = prune("cdpruner", tokens, text, 5, theta=0.999)
    assert kept == relevance.argsort(descending=True)[:5].sort().values.tolist()


def test_hiprune_neighbours_stay_in_their_row():
    tokens, text = made_up((3, 4))
    middle = torch.zeros(1, 12)
    middle[0, 4] = 1  # the first token of the second row
    late = torch.arange(12.0)[None]
    tokens = with_signals(tokens, received_attention__projected=late, **{"received_attention__3/8": middle})
    assert prune("hiprune", tokens, text, 5, alpha=1.0)[0] == [0, 4, 5, 8, 11]
    assert prune("hiprune", tokens, text, 5, alpha=1.0, wrap=True)[0] == [0, 3, 4, 5, 8]


def test_visionzip_takes_more_contextual_tokens_than_are_left():
    tokens, text = made_up((4, 4))
    kept, _ = prune("visionzip", tokens, text, 15, contextual=1.0)
    assert len(kept) == 15


def test_downsampling_by_two_is_average_pooling():
    tokens, text = made_up((6, 4))
    kept, features = prune("downsample", tokens, text, 6)
    image = tokens[0].features.reshape(1, 6, 4, -1).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.avg_pool2d(image, 2)[0].flatten(1).T
    torch.testing.assert_close(features, pooled)
    assert kept == [row * 4 + column for row in (1, 3, 5) for column in (1, 3)]
    _, before = prune("downsample", tokens, text, 6, space="tower")
    tower = tokens[0].signals["tower_features"].reshape(1, 6, 4, -1).permute(0, 3, 1, 2)
    projected = tokens[0].project(torch.nn.functional.avg_pool2d(tower, 2)[0].flatten(1).T)
    torch.testing.assert_close(before, projected)


@pytest.mark.parametrize("grid", [(4, 4), (5, 6), (3, 7), (1, 9)])
def test_downsampling_to_any_count_leaves_nothing_out_and_counts_nothing_twice(grid):
    """Means weighted by the sizes of their cells add up to the sum of all tokens."""
    from robust_atp.pruning.methods.downsample import cell_of
    from robust_atp.pruning.scores import Sample

    tokens, text = made_up(grid)
    total = grid[0] * grid[1]
    for count in range(1, total + 1):
        kept, features = prune("downsample", tokens, text, count)
        cells = cell_of(Sample(grid, {}), count)
        assert sorted(set(cells.tolist())) == kept
        sizes = torch.stack([(cells == place).sum() for place in kept])
        torch.testing.assert_close((sizes[:, None] * features).sum(0), tokens[0].features.sum(0))
        assert sizes.max() <= 4 * sizes.min()


def test_tome_merges_duplicates_first():
    tokens, text = made_up((2, 4))
    keys = torch.eye(8)[None].clone()
    keys[0, 2] = keys[0, 5]
    kept, features = prune("tome", with_signals(tokens, keys__projected=keys), text, 7)
    assert kept == [0, 1, 3, 4, 5, 6, 7]
    merged = tokens[0].signals["tower_features"][[2, 5]].mean(0)
    torch.testing.assert_close(features[4], tokens[0].project(merged))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vispruner", {"important": 2}, "important must be between 0 and 1; got 2"),
        ("vispruner", {"step": 0}, "step must be between 1 and"),
        ("vispruner", {"step": 1.5}, "step must be a whole number; got 1.5"),
        ("visionzip", {"mixture": "add"}, "mixture must be one of sum, mean"),
        ("prumerge", {"budget": "fix"}, r"did you mean 'fixed'\?"),
        ("prumerge", {"neighbours": -1}, "neighbours must be between 0"),
        ("prumerge-plus", {"attended": -1}, "attended must be between 0 and 1"),
        ("cdpruner", {"theta": 1}, "theta must be between 0 and 0.999"),
        ("hiprune", {"layer": "9"}, "layer must be one of 1/8"),
        ("downsample", {"space": "tover"}, r"did you mean 'tower'\?"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        build_pruner(name, options)
