import json
import math
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]  # ships no types
from scipy.stats import ttest_rel

from robust_atp.errors import UserError
from robust_atp.stats import clustered_difference, obuchowski, t_pvalue

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stats.json").read_text(encoding="utf-8"))[
    "clustered"
]


def items(b, c, n):
    """Question-level scores of two arms with the given discordant counts per image."""
    full, pruned, images = [], [], []
    for image, (bk, ck, nk) in enumerate(zip(b, c, n, strict=True)):
        full += [1] * bk + [0] * ck + [1] * (nk - bk - ck)
        pruned += [0] * bk + [1] * ck + [1] * (nk - bk - ck)
        images += [f"image{image}"] * nk
    return np.array(full), np.array(pruned), np.array(images)


FULL, PRUNED, IMAGES = items(GOLDEN["bk"], GOLDEN["ck"], GOLDEN["nk"])


def test_clustered_difference_golden():
    estimate = clustered_difference(FULL, PRUNED, IMAGES)
    assert estimate.value == pytest.approx(GOLDEN["diff"])
    assert estimate.se == pytest.approx(GOLDEN["clustered_se"])
    assert [estimate.lo, estimate.hi] == pytest.approx(GOLDEN["ci95_t"])
    assert (estimate.n, estimate.clusters) == (GOLDEN["N"], GOLDEN["K"])
    assert t_pvalue(estimate) == pytest.approx(GOLDEN["p_t"])


def test_obuchowski_golden():
    result = obuchowski(GOLDEN["bk"], GOLDEN["ck"])
    assert result.statistic == pytest.approx(GOLDEN["obuchowski_chi2"])
    assert result.pvalue == pytest.approx(GOLDEN["obuchowski_p"])


def test_one_question_per_image_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    full, pruned = rng.random((2, 40))
    estimate, oracle = clustered_difference(full, pruned, np.arange(40)), ttest_rel(full, pruned)
    assert t_pvalue(estimate) == pytest.approx(oracle.pvalue)
    assert [estimate.lo, estimate.hi] == pytest.approx(list(oracle.confidence_interval(0.95)))


def test_error_is_the_cluster_sandwich_of_a_regression_on_the_mean():
    ones = np.ones(len(FULL))
    fit = sm.OLS(FULL - PRUNED, ones).fit(
        cov_type="cluster", cov_kwds={"groups": IMAGES, "use_correction": False}
    )
    K = GOLDEN["K"]
    assert clustered_difference(FULL, PRUNED, IMAGES).se == pytest.approx(fit.bse[0] * math.sqrt(K / (K - 1)))


def test_rows_may_come_in_any_order_and_arms_may_swap():
    order = np.random.default_rng(2).permutation(len(FULL))
    estimate = clustered_difference(FULL, PRUNED, IMAGES)
    shuffled = clustered_difference(FULL[order], PRUNED[order], IMAGES[order])
    swapped = clustered_difference(PRUNED, FULL, IMAGES)
    assert (shuffled.value, shuffled.se) == pytest.approx((estimate.value, estimate.se))
    assert (swapped.value, swapped.se, swapped.lo) == pytest.approx(
        (-estimate.value, estimate.se, -estimate.hi)
    )
    assert obuchowski(GOLDEN["bk"], GOLDEN["ck"]) == obuchowski(GOLDEN["ck"], GOLDEN["bk"])


def test_copies_of_questions_add_nothing_and_copies_of_images_add_root_two():
    single = clustered_difference(FULL, PRUNED, IMAGES)
    more_questions = clustered_difference(np.tile(FULL, 2), np.tile(PRUNED, 2), np.tile(IMAGES, 2))
    copies = np.concatenate([IMAGES, np.char.add(IMAGES, "copy")])
    more_images = clustered_difference(np.tile(FULL, 2), np.tile(PRUNED, 2), copies)
    K = single.clusters
    finite = math.sqrt((2 * K / (2 * K - 1)) / (K / (K - 1)))
    assert more_questions.se == pytest.approx(single.se)
    assert more_images.se == pytest.approx(single.se / math.sqrt(2) * finite)


@pytest.mark.parametrize(
    ("full", "pruned", "clusters", "value", "note"),
    [
        ([], [], [], math.nan, "no questions"),
        ([1, math.nan], [1, 0], ["a", "b"], math.nan, "1 questions have no score"),
        ([1, 0, 1], [0, 0, 1], ["a", "a", "a"], 1 / 3, "one image has no spread"),
    ],
)
def test_undefined_says_why(full, pruned, clusters, value, note):
    estimate = clustered_difference(full, pruned, clusters)
    assert estimate.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(estimate.lo)
    assert estimate.note == note


def test_obuchowski_without_evidence():
    assert obuchowski([0, 1], [0, 1]) == (0.0, 1.0)
    assert all(math.isnan(number) for number in obuchowski([3], [1]))


def test_type_one_error_holds_where_questions_share_an_image_effect():
    rng = np.random.default_rng(5)
    images = np.repeat(np.arange(40), 5)
    favours = rng.normal(size=(400, 40))[:, images] + rng.normal(size=(400, 200))
    rejected = [t_pvalue(clustered_difference(row > 0, row <= 0, images)) < 0.05 for row in favours]
    ignored = [t_pvalue(clustered_difference(row > 0, row <= 0, np.arange(200))) < 0.05 for row in favours]
    assert np.mean(rejected) < 0.08
    assert np.mean(ignored) > 0.12


def test_lengths_are_checked():
    with pytest.raises(UserError, match=r"full \(2,\), pruned \(3,\)"):
        clustered_difference([1, 0], [1, 0, 1], ["a", "b"])
    with pytest.raises(UserError, match=r"b \(1, 2\)"):
        obuchowski([[1, 0]], [[1, 0]])
