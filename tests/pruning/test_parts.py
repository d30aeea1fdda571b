"""Budgets, selections and normalisations on their own."""

import pytest
import torch

from robust_atp.backbones.seam import VisionTokens
from robust_atp.pruning import keep_indices
from robust_atp.pruning.budgets import CumulativeMass, Everything, FixedRatio
from robust_atp.pruning.scores import Sample, min_max, z_score
from robust_atp.pruning.selection import top_k, uniform_grid


@pytest.mark.parametrize(
    ("keep", "total", "count"),
    [
        (0.6, 576, 346),  # 345.6
        (0.5, 5, 3),  # 2.5: Python's round gives 2
        (0.145, 100, 15),  # 14.5, in binary 14.499999999999998
        (0.05, 196, 10),  # 9.8
        (0.001, 196, 1),
        (1.0, 196, 196),
    ],
)
def test_fixed_ratio_rounds_halves_up_and_keeps_one(keep, total, count):
    assert FixedRatio()(torch.zeros(total), keep) == count


def test_everything_ignores_the_ratio():
    assert Everything()(torch.zeros(7), 0.1) == 7


def test_cumulative_mass_spans_one_to_all():
    assert CumulativeMass()(torch.tensor([0.0, 1.0, 0.0]), 0.5) == 1
    assert CumulativeMass()(torch.zeros(8), 0.5) == 4
    assert CumulativeMass()(torch.zeros(8), 1.0) == 8


def test_ties_go_to_the_lower_index():
    scores = torch.tensor([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert top_k(scores, 3).tolist() == [1, 2, 3]
    assert top_k(scores.half(), 4).tolist() == [1, 2, 3, 4]
    assert top_k(torch.zeros(400), 3).tolist() == [0, 1, 2]


def test_nan_scores_are_counted():
    with pytest.raises(ValueError, match="2 of 4 token scores are nan"):
        top_k(torch.tensor([1.0, float("nan"), 2.0, float("nan")]), 1)


@pytest.mark.parametrize("grid", [(14, 14), (24, 24), (3, 7), (7, 3), (1, 9)])
def test_uniform_grid_holds_exactly_k_tokens_and_leaves_no_large_hole(grid):
    rows, columns = grid
    total = rows * columns
    cells = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
    for count in range(1, total + 1):
        kept = uniform_grid(torch.zeros(total), count, Sample(grid, {}))
        assert len(kept) == count
        assert count == 1 or (kept.diff() > 0).all()
        hole = torch.cdist(cells, cells[kept]).amin(1).max()
        # The farthest cell of a square of side s = √(N / K) around each token is s / √2 away; a strip has s.
        assert hole <= 1.5 * (total / count) ** 0.5 if rows > 1 else hole <= total / count


def test_uniform_grid_is_a_regular_lattice_where_one_fits():
    kept = uniform_grid(torch.zeros(64), 16, Sample((8, 8), {})).tolist()
    assert kept == [row * 8 + column for row in (1, 3, 5, 7) for column in (1, 3, 5, 7)]


def test_normalisations_of_a_constant_are_zero():
    assert min_max(torch.full((4,), 0.3)).tolist() == [0] * 4
    assert z_score(torch.full((4,), 0.3)).tolist() == [0] * 4
    assert min_max(torch.tensor([1.0, 3.0, 2.0])).tolist() == [0, 1, 0.5]


TOKENS = [VisionTokens(features, (2, 3)) for features in torch.arange(12.0).reshape(2, 6, 1)]


def test_forced_index_sets_are_sorted_and_gathered_from_their_image():
    kept = keep_indices(TOKENS, [[4, 1], [5]], "original")
    assert [i.tolist() for i in kept.indices] == [[1, 4], [5]]
    assert [f.ravel().tolist() for f in kept.features] == [[1.0, 4.0], [11.0]]
    assert (kept.totals, kept.position_policy) == ([6, 6], "original")


@pytest.mark.parametrize("wrong", [[], [1, 1], [6], [-1]])
def test_impossible_index_sets_are_refused(wrong):
    with pytest.raises(ValueError, match=r"distinct and within 0\.\.5, at least one"):
        keep_indices(TOKENS, [wrong], "original")
