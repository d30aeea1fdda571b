"""Measures of many kept sets at once, against index sets, naive loops and the published golden cases."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.stats import wasserstein_distance

from robust_atp.errors import UserError
from robust_atp.stability import (
    centroid_shift,
    centroid_shifts,
    emd,
    kuncheva,
    kuncheva_masks,
    nogueira,
    spreads,
    tolerant_chance,
    tolerant_overlap,
    tolerant_stability,
    transport_bounds,
)

TOKENS = json.loads((Path(__file__).parents[1] / "golden/tokens.json").read_text(encoding="utf-8"))
ROWS, COLUMNS = 4, 5
PAIR = arrays(bool, (2, 1, ROWS, COLUMNS))

cases = pytest.mark.parametrize("case", TOKENS["cases"], ids=lambda case: case["name"])


def field(kept, rows, columns):
    mask = np.zeros((1, rows * columns), bool)
    mask[0, list(kept)] = True
    return mask.reshape(1, rows, columns)


def random_fields(seed, count=30):
    """Pairs of fields of all sizes, empty ones among them."""
    rng = np.random.default_rng(seed)
    return rng.random((2, count, ROWS, COLUMNS)) < rng.random((2, count, 1, 1))


def indices(fields):
    return [np.flatnonzero(one) for one in fields]


@cases
def test_golden(case):
    a, b = (field(case[name], case["H"], case["W"]) for name in "AB")
    assert centroid_shifts(a, b) == pytest.approx([case["centroid_shift"]], abs=1e-12)
    assert tolerant_overlap(a, b) == pytest.approx([case["tolerant1"]["f1"]])
    assert kuncheva_masks(a.reshape(1, -1), b.reshape(1, -1)) == pytest.approx(
        [math.nan if case["sets"]["kuncheva"] is None else case["sets"]["kuncheva"]], nan_ok=True
    )
    assert nogueira(np.concatenate([a, b]).reshape(2, -1)).value == pytest.approx(case["sets"]["nogueira_M2"])
    assert 0 <= transport_bounds(a, b)[0] <= case["emd"] + 1e-12


def test_shifts_and_kuncheva_are_those_of_index_sets():
    a, b = random_fields(0)
    pairs = list(zip(indices(a), indices(b), strict=True))
    np.testing.assert_allclose(
        centroid_shifts(a, b), [centroid_shift(x, y, (ROWS, COLUMNS)) for x, y in pairs], atol=1e-12
    )
    np.testing.assert_allclose(
        kuncheva_masks(a.reshape(30, -1), b.reshape(30, -1)), [kuncheva(x, y, 20) for x, y in pairs]
    )


def test_the_bound_is_the_larger_distance_of_the_marginals():
    a, b = random_fields(1)
    diagonal = math.hypot(ROWS - 1, COLUMNS - 1)
    for x, y, found in zip(indices(a), indices(b), transport_bounds(a, b), strict=True):
        if not len(x) or not len(y):
            assert math.isnan(found)
            continue
        by_row = wasserstein_distance(x // COLUMNS, y // COLUMNS)
        by_column = wasserstein_distance(x % COLUMNS, y % COLUMNS)
        assert found == pytest.approx(max(by_row, by_column) / diagonal)
        assert found <= emd(x, y, (ROWS, COLUMNS)) + 1e-9


def test_spread_is_the_mean_distance_to_the_centroid():
    a, _ = random_fields(2)
    for kept, found in zip(indices(a), spreads(a), strict=True):
        points = [divmod(int(i), COLUMNS) for i in kept]
        if not points:
            assert math.isnan(found)
            continue
        centre = [sum(p[axis] for p in points) / len(points) for axis in (0, 1)]
        expected = sum(math.dist(p, centre) for p in points) / len(points) / math.hypot(ROWS - 1, COLUMNS - 1)
        assert found == pytest.approx(expected)


def test_tolerant_overlap_counts_hits_both_ways():
    a, b = random_fields(3)
    for x, y, found in zip(indices(a), indices(b), tolerant_overlap(a, b), strict=True):
        if not len(x) or not len(y):
            assert math.isnan(found)
            continue
        near = [
            [max(abs(i // COLUMNS - j // COLUMNS), abs(i % COLUMNS - j % COLUMNS)) <= 1 for j in y] for i in x
        ]
        hits = (
            np.mean([any(row) for row in near]),
            np.mean([any(column) for column in zip(*near, strict=True)]),
        )
        assert found == pytest.approx(2 * hits[0] * hits[1] / sum(hits) if sum(hits) else 0)


def test_chance_of_tolerant_overlap_is_that_of_the_literature():
    assert tolerant_chance(9, 9, (6, 6)) == pytest.approx(0.87, abs=0.01)
    assert tolerant_chance(18, 18, (6, 6)) == pytest.approx(0.99, abs=0.01)
    assert tolerant_chance(12, 30, (9, 9)) == tolerant_chance(30, 12, (9, 9))
    assert math.isnan(tolerant_chance(0, 3, (6, 6)))


@pytest.mark.parametrize("kept", [1, 6, 20])
def test_chance_of_being_hit_is_hypergeometric(kept):
    """A token with m places around it, itself among them, has none of K random ones there with C(N−m,K)/C(N,K)."""
    rows, columns = 10, 8
    reach = np.outer([2, *[3] * (rows - 2), 2], [2, *[3] * (columns - 2), 2]).ravel()
    total = rows * columns
    missed = np.mean([math.comb(total - int(m), kept) / math.comb(total, kept) for m in reach])
    assert tolerant_chance(kept, kept, (rows, columns)) == pytest.approx(1 - missed, abs=0.03)


def test_random_sets_have_no_tolerant_stability():
    rng = np.random.default_rng(5)
    a, b = (np.argsort(rng.random((600, 196)), axis=1).reshape(-1, 14, 14) < 20 for _ in range(2))
    assert abs(tolerant_stability(a, b).mean()) < 0.03
    assert np.isnan(tolerant_stability(*(np.ones((2, 1, 6, 6), bool)))).all()


@settings(deadline=None, max_examples=60)
@given(PAIR)
def test_properties(pair):
    a, b = pair
    for measure in (centroid_shifts, transport_bounds, tolerant_overlap, tolerant_stability):
        there, back, turned = (
            measure(a, b),
            measure(b, a),
            measure(a.transpose(0, 2, 1), b.transpose(0, 2, 1)),
        )
        np.testing.assert_allclose(there, back, atol=1e-12)
        if measure is not tolerant_stability:  # its chance is simulated on other sets
            np.testing.assert_allclose(there, turned, atol=1e-12)
    for distance in (centroid_shifts, transport_bounds):
        own, found = distance(a, a), distance(a, b)
        assert own[0] == (0 if a.any() else pytest.approx(math.nan, nan_ok=True))
        assert not a.any() or not b.any() or 0 <= found[0] <= 1
    assert not a.any() or tolerant_overlap(a, a)[0] == 1
    assert not a.any() or 0 <= spreads(a)[0] <= 0.5 + 1e-12


def test_a_grid_of_one_token_has_no_distances():
    one = np.ones((1, 1, 1), bool)
    assert np.isnan([centroid_shifts(one, one), transport_bounds(one, one), spreads(one)]).all()


def test_fields_of_two_shapes_are_refused():
    with pytest.raises(UserError, match=r"fields must be boolean"):
        centroid_shifts(np.ones((1, 2, 3), bool), np.ones((1, 3, 2), bool))
