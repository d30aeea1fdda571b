import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wasserstein_distance_nd
from statsmodels.stats.inter_rater import fleiss_kappa  # type: ignore[import-untyped]  # ships no types

from robust_atp.errors import UserError
from robust_atp.stability import (
    centroid_shift,
    content_stability,
    cross_image_baseline,
    emd,
    jaccard,
    jaccard_chance,
    jaccard_masks,
    kappa,
    kappa_masks,
    kuncheva,
    nogueira,
    rbo,
    rbo_chance,
    rbo_persistence,
    rbo_top_weight,
)

GOLDEN = Path(__file__).parents[1] / "golden"
TOKENS = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))
NOGUEIRA = json.loads((GOLDEN / "nogueira.json").read_text(encoding="utf-8"))["cases"]

cases = pytest.mark.parametrize("case", TOKENS["cases"], ids=lambda case: case["name"])


def approx(expected):
    return pytest.approx(math.nan if expected is None else expected, abs=1e-9, nan_ok=True)


def ranked(scores):
    return sorted(range(len(scores)), key=lambda token: -scores[token])


def sets_with(a, b, r, n):
    assert a + b - r <= n
    return range(a), range(a - r, a - r + b)


@cases
def test_overlap_golden(case):
    a, b, expected = case["A"], case["B"], case["sets"]
    assert jaccard(a, b) == approx(expected["jaccard"])
    assert jaccard_chance(len(a), len(b), 36) == approx(expected["chance_jaccard"])
    assert kuncheva(a, b, 36) == approx(expected["kuncheva"])
    assert kappa(a, b, 36) == approx(expected["cohen_kappa"])


@pytest.mark.parametrize("name", TOKENS["edge_cases"])
def test_overlap_edge_cases(name):
    expected = TOKENS["edge_cases"][name]
    size_a, size_b, n = expected["a"], expected["b"], expected["N"]
    a, b = sets_with(size_a, size_b, expected["r"], n)
    assert jaccard(a, b) == approx(expected["jaccard"])
    assert jaccard_chance(size_a, size_b, n) == approx(expected["chance_jaccard"])
    assert kuncheva(a, b, n) == approx(expected["kuncheva"])
    assert kappa(a, b, n) == approx(expected["cohen_kappa"])


def test_jaccard_chance_is_the_mean_over_all_sets():
    every = [jaccard({0, 1, 2}, other) for other in combinations(range(7), 4)]
    assert jaccard_chance(3, 4, 7) == pytest.approx(np.mean(every))


def test_kuncheva_kappa_and_nogueira_agree_for_equal_sizes():
    rng = np.random.default_rng(3)
    for n, k in [(12, 1), (36, 9), (49, 48), (20, 10)]:
        a, b = (rng.permutation(n)[:k] for _ in range(2))
        Z = np.zeros((2, n))
        Z[0, a] = Z[1, b] = 1
        assert kappa(a, b, n) == pytest.approx(kuncheva(a, b, n), abs=1e-12)
        assert nogueira(Z).value == pytest.approx(kuncheva(a, b, n), abs=1e-12)


def test_kappa_is_zero_on_average_over_random_sets_of_unequal_size():
    assert np.mean([kappa({0, 1}, other, 7) for other in combinations(range(7), 4)]) == pytest.approx(
        0, abs=1e-12
    )


def test_masks_give_what_sets_give():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 40, 25)) < rng.random((2, 40, 1))
    a[0] = b[0] = False
    a[1] = b[1] = True
    pairs = [(np.flatnonzero(x), np.flatnonzero(y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(kappa_masks(a, b), [kappa(x, y, 25) for x, y in pairs])
    np.testing.assert_allclose(jaccard_masks(a, b), [jaccard(x, y) for x, y in pairs])
    assert np.isnan(kappa_masks(a, b)[:2]).all()


@pytest.mark.parametrize("case", NOGUEIRA, ids=lambda case: case["name"])
def test_nogueira_golden(case):
    estimate = nogueira(case["Z"])
    assert estimate.value == approx(case["stability"])
    assert estimate.se**2 == approx(case["variance"])
    assert (estimate.lo, estimate.hi) == (approx(case["lower"]), approx(case["upper"]))
    assert (estimate.n, bool(estimate.note)) == (case["M"], case["M"] < 20)


@pytest.mark.parametrize("case", NOGUEIRA, ids=lambda case: case["name"])
def test_nogueira_is_fleiss_kappa_with_rows_as_raters(case):
    Z = np.asarray(case["Z"])
    table = np.stack([Z.sum(axis=0), len(Z) - Z.sum(axis=0)], axis=1)
    assert nogueira(Z).value == pytest.approx(fleiss_kappa(table))


@pytest.mark.parametrize(
    "Z", [np.zeros((3, 5)), np.ones((3, 5)), np.ones((1, 5)), np.zeros((0, 5)), np.zeros((4, 0))]
)
def test_nogueira_undefined_says_why(Z):
    estimate = nogueira(Z)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.lo)
    assert estimate.note


def test_nogueira_of_equal_rows_is_one():
    assert nogueira(np.tile([1, 0, 0, 1], (5, 1))).value == pytest.approx(1)


@cases
def test_rbo_golden(case):
    expected = case["rbo"]
    clean, corrupted = case["scores_clean"], case["scores_corrupt"]
    assert rbo(clean, corrupted, expected["p"]) == approx(expected["rbo_ext"])
    assert rbo(ranked(clean), ranked(corrupted), expected["p"]) == approx(expected["rbo_ext"])
    assert rbo_chance(36, expected["p"]) == approx(expected["chance_expected"])
    assert rbo_persistence(max(2, len(case["A"]))) == approx(expected["p"])


def test_rbo_top_weight_golden():
    assert rbo_top_weight(0.9, 10) == approx(TOKENS["rbo_top_weight"]["p0.9_d10"])
    assert rbo_top_weight(0.98, 50) == approx(TOKENS["rbo_top_weight"]["p0.98_d50"])


@pytest.mark.parametrize(("depth", "p"), [(16, 0.922), (32, 0.961), (64, 0.980), (128, 0.990), (288, 0.9956)])
def test_persistence_for_common_budgets(depth, p):
    assert rbo_persistence(depth) == pytest.approx(p, abs=6e-4)


def test_rbo_extremes_and_ties():
    assert rbo([3, 1, 2], [3, 1, 2]) == pytest.approx(1)
    assert rbo([0, 1], [2, 3]) == 0
    assert rbo([0.5, 0.5, 0.1], [0, 1, 2]) == pytest.approx(1)
    assert math.isnan(rbo([], []))


@cases
def test_spatial_golden(case):
    grid = (case["H"], case["W"])
    assert centroid_shift(case["A"], case["B"], grid) == approx(case["centroid_shift"])
    assert emd(case["A"], case["B"], grid) == approx(case["emd"])


@pytest.mark.parametrize(("size_a", "size_b"), [(6, 6), (4, 9), (9, 4), (1, 20), (3, 3)])
def test_emd_equals_the_full_transport_problem(size_a, size_b):
    rng = np.random.default_rng(size_a)
    a, b = rng.permutation(20)[:size_a], rng.permutation(20)[:size_b]
    points = np.stack(np.divmod(np.arange(20), 5), axis=1) / math.hypot(3, 4)
    assert emd(a, b, (4, 5)) == pytest.approx(wasserstein_distance_nd(points[a], points[b]), abs=1e-7)


def test_spatial_extremes():
    assert emd([0], [19], (4, 5)) == pytest.approx(1)
    assert centroid_shift([0], [19], (4, 5)) == pytest.approx(1)
    assert emd([1, 7], [7, 1], (4, 5)) == 0
    assert math.isnan(emd([], [1], (4, 5)))
    assert math.isnan(centroid_shift([1], [], (4, 5)))
    assert math.isnan(emd([0], [0], (1, 1)))
    assert math.isnan(centroid_shift([0], [0], (1, 1)))


def test_a_position_bound_pruner_has_no_content_stability():
    fixed = np.tile(np.arange(16) < 4, (30, 1))
    different = cross_image_baseline(fixed, fixed)
    np.testing.assert_allclose(different, 1)
    assert np.isnan(content_stability(1.0, different.mean()))


def test_a_content_bound_pruner_is_all_content():
    rng = np.random.default_rng(1)
    kept = np.argsort(rng.random((400, 16)), axis=1) < 4
    same, different = kappa_masks(kept, kept).mean(), cross_image_baseline(kept, kept, rng=2).mean()
    assert different == pytest.approx(0, abs=0.03)
    assert content_stability(same, different) == pytest.approx(1)


def test_baseline_never_meets_its_own_image():
    # Rows of one image keep one token, so κ is 1 exactly where the images are the same.
    images = np.repeat(["b", "a", "c"], [3, 1, 2])
    kept = images[:, None] == np.array(["a", "b", "c", "d"])
    baseline = cross_image_baseline(kept, kept, images, draws=200)
    assert (baseline < 0).all()
    assert np.isnan(cross_image_baseline(kept[:3], kept[:3], images[:3])).all()


def test_baseline_does_not_depend_on_the_order_of_images():
    rng = np.random.default_rng(4)
    clean, corrupted = rng.random((2, 12, 20)) < 0.4
    images, order = np.array([f"i{k}" for k in range(12)]), rng.permutation(12)
    baseline = cross_image_baseline(clean, corrupted, images, rng=7)
    shuffled = cross_image_baseline(clean[order], corrupted[order], images[order], rng=7)
    np.testing.assert_array_equal(shuffled, baseline[order])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kappa([0, 36], [1], 36), "kept token 36 is outside 0..35"),
        (lambda: jaccard([-1], [1]), "kept token -1"),
        (lambda: kappa([1, 1], [2], 5), "distinct whole"),
        (lambda: kappa(np.array([0.5]), [2], 5), "distinct whole"),
        (lambda: jaccard_chance(5, 2, 4), "a=5"),
        (lambda: kappa_masks(np.ones((2, 3)), np.ones((2, 3))), "boolean"),
        (lambda: nogueira(np.array([[0, 2]])), "0/1 matrix"),
        (lambda: rbo([1, 2], [1, 2, 3]), "got 2 and 3"),
        (lambda: rbo([1, 1], [1, 2]), "each token once"),
        (lambda: rbo([1, 2], [1, 2], p=1.0), "got 1.0"),
        (lambda: rbo([math.nan], [0.1]), "nan"),
        (lambda: rbo_persistence(0), "depth"),
        (lambda: emd([0, 20], [1], (4, 5)), "outside 0..19"),
        (lambda: centroid_shift([0], [1], (0, 5)), "grid"),
        (
            lambda: cross_image_baseline(np.ones((2, 3), bool), np.ones((2, 3), bool), ["a"]),
            "got 1 for 2 rows",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
