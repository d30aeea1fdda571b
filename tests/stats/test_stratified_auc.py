"""Stratified AUC: the definition over pairs, planted and absent effects, images as what is drawn."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from robust_atp.errors import UserError
from robust_atp.stats.stratified_auc import stratified_auc

FEW = {"draws": 200, "permutations": 99}


def planted(seed, strength, images=60, questions=3, cells=4):
    """Scores of an image and cell that raise the chance of an event by ``strength`` from lowest to highest."""
    rng = np.random.default_rng(seed)
    scores = np.repeat(rng.integers(0, 10, (images, cells)) / 10, questions, axis=0)
    chance = 0.3 + strength * (scores - 0.5)
    return scores, (rng.random(scores.shape) < chance)[None], np.repeat(np.arange(images), questions)


def naive(scores, event):
    above = possible = 0.0
    for cell in range(scores.shape[1]):
        positive, negative = scores[event[:, cell], cell], scores[~event[:, cell], cell]
        m, n = len(positive), len(negative)
        if m and n:
            above += mannwhitneyu(positive, negative).statistic / (m + n)
            possible += m * n / (m + n)
    return above / possible


def test_the_value_is_the_weighted_mean_of_mann_whitney():
    scores, events, images = planted(0, 0.4)
    events[0, :, 2] = True  # a cell in which everything flips
    found = stratified_auc(scores, events, images, **FEW)
    assert found.auc.value == pytest.approx([naive(scores, events[0])])
    assert found.auc.n.tolist() == [scores.size]


def test_a_replicate_is_the_value_with_images_repeated():
    scores, events, images = planted(1, 0.4, images=5)
    drawn = np.random.default_rng(7).multinomial(5, np.full(5, 0.2), size=4)
    found = stratified_auc(scores, events, images, draws=4, permutations=1, rng=7).auc.draws
    for weights, replicate in zip(drawn, found, strict=True):
        rows = np.repeat(np.arange(len(images)), weights[images])
        expected = naive(scores[rows], events[0][rows]) if len(set(events[0][rows].ravel())) == 2 else np.nan
        assert replicate[0] == pytest.approx(expected, nan_ok=True)


def test_a_planted_effect_is_found_and_an_absent_one_is_not():
    found = stratified_auc(*planted(2, 0.5), **FEW)
    assert found.auc.interval()[0][0] > 0.5
    assert found.p[0] == pytest.approx(0.01)
    absent = stratified_auc(*planted(3, 0.0), **FEW)
    assert absent.auc.interval()[0][0] < 0.5 < absent.auc.interval()[1][0]
    assert absent.p[0] > 0.1


def test_what_drives_scores_and_events_from_cell_to_cell_does_not_count():
    """Severity raises both: pooled over cells they are associated, within them they are not."""
    rng = np.random.default_rng(4)
    severity = np.arange(5)
    scores = (severity + rng.integers(0, 3, (200, 5))) / 10
    events = rng.random((1, 200, 5)) < 0.1 + 0.15 * severity
    pooled = stratified_auc(
        scores.reshape(-1, 1), events.reshape(1, -1, 1), np.repeat(np.arange(200), 5), **FEW
    )
    assert pooled.auc.value[0] > 0.65
    assert stratified_auc(scores, events, np.arange(200), **FEW).auc.value[0] == pytest.approx(0.5, abs=0.03)


def test_p_is_uniform_where_scores_are_unrelated_but_images_share_them_over_cells():
    """Five cells of an image with one score and one propensity to flip are one image, not five."""
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(120):
        scores = np.repeat(rng.random((30, 1)), 5, axis=1)
        events = rng.random((1, 30, 5)) < rng.random((30, 1))
        rejected += (
            stratified_auc(scores, events, np.arange(30), draws=2, permutations=39, rng=rng).p[0] <= 0.05
        )
    assert rejected <= 14  # 6 expected; a test over cells apart rejects some 27


def test_order_and_names_of_images_do_not_matter():
    scores, events, images = planted(6, 0.3)
    order = np.random.default_rng(0).permutation(len(images))
    a = stratified_auc(scores, events, images, **FEW)
    b = stratified_auc(scores[order], events[:, order], images[order], **FEW)
    np.testing.assert_allclose(a.auc.draws, b.auc.draws)
    assert a.auc.value == pytest.approx(b.auc.value)


def test_answers_without_a_score_do_not_count():
    scores, events, images = planted(7, 0.3)
    missing = np.random.default_rng(1).random(scores.shape) < 0.2
    found = stratified_auc(np.where(missing, np.nan, scores), events, images, **FEW)
    above = possible = 0.0
    for cell in range(scores.shape[1]):
        there = ~missing[:, cell]
        positive, negative = (scores[there & (events[0, :, cell] == kind), cell] for kind in (True, False))
        size = len(positive) + len(negative)
        above += mannwhitneyu(positive, negative).statistic / size
        possible += len(positive) * len(negative) / size
    assert found.auc.value[0] == pytest.approx(above / possible)
    assert found.auc.n[0] == (~missing).sum()


def test_undefined_without_both_kinds_and_without_interval_on_one_image():
    scores, events, images = planted(8, 0.3)
    assert np.isnan(stratified_auc(scores, np.zeros_like(events), images, **FEW).auc.value[0])
    assert np.isnan(stratified_auc(scores, np.zeros_like(events), images, **FEW).p[0])
    one = stratified_auc(scores, events, np.zeros(len(images)), **FEW)
    assert np.isfinite(one.auc.value[0])
    assert np.isnan(one.auc.draws).all()


def test_shapes_are_checked():
    with pytest.raises(UserError, match="must be"):
        stratified_auc(np.ones((3, 2)), np.ones((1, 2, 3), bool), np.arange(3))
