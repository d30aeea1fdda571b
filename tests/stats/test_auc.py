"""Clustered AUC against its definition, the single-question case, and its own coverage."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from robust_atp.errors import UserError
from robust_atp.stats import clustered_auc


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


def test_what_is_undefined_says_why():
    assert "one kind" in clustered_auc([1.0, 2.0], [True, True], [1, 2]).note
    assert "no score" in clustered_auc([1.0, np.nan], [True, False], [1, 2]).note
    alone = clustered_auc([1.0, 2.0, 0.0], [True, False, False], [1, 2, 3])
    assert alone.value == 0.5
    assert "one image only" in alone.note
    with pytest.raises(UserError, match="one length"):
        clustered_auc([1.0], [True, False], [1, 2])
