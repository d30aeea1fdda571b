"""Clustered AUC against its definition, the single-question case, and its own coverage."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from robust_atp.errors import UserError
from robust_atp.stats import clustered_auc, clustered_auc_difference


def draw(rng, images=60, questions=4):
    image = np.repeat(np.arange(images), questions)
    labels = rng.random(len(image)) < 0.4
    scores = labels + rng.normal(size=len(image))
    return np.round(scores, 1), labels, image  # rounded, so that there are ties


def test_it_is_mann_whitneys_u():
    scores, labels, image = draw(np.random.default_rng(0))
    found = clustered_auc(scores, labels, image)
    u = mannwhitneyu(scores[labels], scores[~labels]).statistic
    assert found.value == pytest.approx(u / (labels.sum() * (~labels).sum()))
    assert (found.n, found.clusters) == (240, 60)


def test_one_question_an_image_is_delong():
    """DeLong's variance is S10 / m + S01 / n of independent questions."""
    rng = np.random.default_rng(1)
    scores, labels, _ = draw(rng, images=80, questions=1)
    found = clustered_auc(scores, labels, np.arange(80))
    x, y = scores[labels], scores[~labels]
    psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    delong = psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / len(y)
    # Every image holds one kind only, so the cross term is 0.
    assert found.se == pytest.approx(np.sqrt(delong))


def test_intervals_cover_when_images_share_an_effect():
    rng = np.random.default_rng(2)
    # Pairs across images differ by N(1, 2), those within one (1 of 50) by N(1, √2).
    truth = 0.98 * norm.cdf(1 / 2) + 0.02 * norm.cdf(1 / np.sqrt(2))
    covered = 0
    for _ in range(400):
        labels = np.tile([True, True, False, False], 50)
        image = np.repeat(np.arange(50), 4)
        scores = labels + rng.normal(size=200) + rng.normal(size=50)[image]
        found = clustered_auc(scores, labels, image)
        covered += found.lo <= truth <= found.hi
    assert 0.92 <= covered / 400 <= 0.98


def test_the_difference_of_two_scores_is_delongs_with_their_covariance():
    rng = np.random.default_rng(3)
    scores, labels, _ = draw(rng, images=80, questions=1)
    other = np.round(0.6 * scores + rng.normal(size=80), 1)
    found = clustered_auc_difference(scores, other, labels, np.arange(80))
    areas = [clustered_auc(score, labels, np.arange(80)) for score in (scores, other)]
    assert found.value == pytest.approx(areas[0].value - areas[1].value)
    psi = [
        (score[labels][:, None] > score[~labels]) + 0.5 * (score[labels][:, None] == score[~labels])
        for score in (scores, other)
    ]
    m, n = psi[0].shape
    positives, negatives = np.cov([p.mean(1) for p in psi]), np.cov([p.mean(0) for p in psi])
    contrast = np.array([1, -1])
    delong = contrast @ (positives / m + negatives / n) @ contrast
    assert found.se == pytest.approx(np.sqrt(delong))
    assert found.se < np.hypot(areas[0].se, areas[1].se)  # the scores are correlated


def test_a_score_does_not_differ_from_itself():
    scores, labels, image = draw(np.random.default_rng(4))
    same = clustered_auc_difference(scores, scores, labels, image)
    assert (same.value, same.se, same.lo, same.hi) == (0, 0, 0, 0)
    turned = clustered_auc_difference(-scores, scores, labels, image)
    assert turned.value == pytest.approx(1 - 2 * clustered_auc(scores, labels, image).value)
    assert (
        "2 questions have no score"
        in clustered_auc_difference(
            [np.nan, 1, 2, 3], [1, 2, np.nan, 3], [True, True, False, False], [1, 2, 3, 4]
        ).note
    )


def test_what_is_undefined_says_why():
    assert "one kind" in clustered_auc([1.0, 2.0], [True, True], [1, 2]).note
    assert "no score" in clustered_auc([1.0, np.nan], [True, False], [1, 2]).note
    alone = clustered_auc([1.0, 2.0, 0.0], [True, False, False], [1, 2, 3])
    assert alone.value == 0.5
    assert "one image only" in alone.note
    with pytest.raises(UserError, match="one length"):
        clustered_auc([1.0], [True, False], [1, 2])
