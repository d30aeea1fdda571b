import numpy as np
import pytest
from scipy.stats import bootstrap

from robust_atp.errors import UserError
from robust_atp.robustness import excess_drop, rpc
from robust_atp.stats import cell_means, clustered_difference, sum_by_image


def scores(images=80, seed=0):
    """Scores [question, arm, corruption, severity] with three questions per image, and the images' names."""
    rng = np.random.default_rng(seed)
    names = np.array([f"im{i:03d}" for i in range(images)])
    sizes = rng.integers(1, 6, size=images)
    effect = np.repeat(rng.normal(0, 0.15, size=images), sizes)
    level = 0.8 - 0.08 * np.arange(6) - 0.1 * np.array([0, 1])[:, None, None]
    chance = np.clip(level + effect[:, None, None, None] + np.zeros((1, 2, 3, 1)), 0, 1)
    return (rng.random(chance.shape) < chance).astype(float), np.repeat(names, sizes)


def excess(cells):
    return excess_drop(cells[..., 1, :, :], cells[..., 0, :, :])


def test_values_are_question_means():
    y, images = scores()
    cells = cell_means(*sum_by_image(y, images), draws=10)
    np.testing.assert_allclose(cells.value, y.mean(axis=0))
    assert (cells.n == len(y)).all()
    assert cells.draws.shape == (10, 2, 3, 6)


def test_every_replicate_is_one_reweighting_of_whole_images():
    y, images = scores(images=12)
    num, den = sum_by_image(y, images)
    cells = cell_means(num, den, draws=5, rng=4)
    for weights, replicate in zip(
        np.random.default_rng(4).multinomial(12, [1 / 12] * 12, size=5), cells.draws, strict=True
    ):
        again = np.repeat(np.arange(12), weights)
        np.testing.assert_allclose(num[again].sum(axis=0) / den[again].sum(axis=0), replicate)


def test_errors_agree_with_the_clustered_sandwich():
    y, images = scores()
    cells = cell_means(*sum_by_image(y, images), draws=4000)
    loss = cells.map(lambda c: c[..., 0, 0, 5] - c[..., 1, 0, 5])
    oracle = clustered_difference(y[:, 0, 0, 5], y[:, 1, 0, 5], images)
    (estimate,) = loss.estimates()
    assert estimate.value == pytest.approx(oracle.value)
    assert estimate.se == pytest.approx(oracle.se, rel=0.05)
    assert (estimate.lo, estimate.hi) == pytest.approx((oracle.lo, oracle.hi), abs=0.15 * oracle.se)
    assert (estimate.n, estimate.clusters, estimate.note) == (len(y), 80, "")


def test_excess_drop_interval_is_that_of_the_item_level_difference_in_differences():
    y, images = scores()
    mean_excess = cell_means(*sum_by_image(y, images), draws=4000).map(
        lambda c: excess(c).mean(axis=(-2, -1))
    )
    drop = (y[..., :1] - y[..., 1:]).mean(axis=(-2, -1))  # [question, arm]
    oracle = clustered_difference(drop[:, 1], drop[:, 0], images)
    (estimate,) = mean_excess.estimates()
    assert estimate.value == pytest.approx(oracle.value)
    assert estimate.se == pytest.approx(oracle.se, rel=0.05)


def test_interval_agrees_with_scipy_on_image_sums():
    y, images = scores()
    num, den = sum_by_image(y[:, 0, 0, 3], images)
    (estimate,) = cell_means(num, den, draws=4000).estimates(level=0.9)

    def ratio(s, n, axis=-1):
        return s.sum(axis) / n.sum(axis)

    options = {"n_resamples": 4000, "confidence_level": 0.9, "method": "percentile"}
    oracle = bootstrap((num, den), ratio, paired=True, rng=1, **options).confidence_interval
    assert (estimate.lo, estimate.hi) == pytest.approx((oracle.low, oracle.high), abs=0.01)


def test_shared_images_make_contrasts_tighter_than_independent_cells_would():
    y, images = scores()
    cells = cell_means(*sum_by_image(y, images))
    slope = cells.map(lambda c: c[..., 0, 0, :] @ np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))
    independent = np.sqrt(
        (cells.standard_errors()[0, 0] ** 2) @ np.array([6.25, 2.25, 0.25, 0.25, 2.25, 6.25])
    )
    assert slope.standard_errors() < independent


def test_ratios_pass_through():
    y, images = scores()
    cells = cell_means(*sum_by_image(y, images), draws=50)
    retained = cells.map(rpc)
    np.testing.assert_allclose(retained.value, rpc(y.mean(axis=0)))
    assert [e.value for e in retained.estimates()] == pytest.approx(retained.value.tolist())


def test_result_depends_neither_on_row_order_nor_on_the_rest_of_the_study():
    y, images = scores()
    order = np.random.default_rng(9).permutation(len(y))
    one = cell_means(*sum_by_image(y, images), draws=20, rng=3)
    other = cell_means(*sum_by_image(y[order][:, :1], images[order]), draws=20, rng=3)
    np.testing.assert_array_equal(one.draws[:, :1], other.draws)


def test_missing_cells_are_nan_and_say_so():
    y, images = scores(images=30)
    y[4, 0, 1, 2] = np.nan
    cells = cell_means(*sum_by_image(y, images), draws=20)
    assert np.argwhere(np.isnan(cells.value)).tolist() == [[0, 1, 2]]
    assert np.argwhere(np.isnan(excess(cells.value))).tolist() == [[1, 1]]
    notes = [e.note for e in cells.map(excess).estimates()]
    assert [bool(note) for note in notes].count(True) == 1
    num, den = sum_by_image(np.ones((9, 1)), np.arange(9))
    none = cell_means(num * 0, den * 0).estimates()[0]
    assert np.isnan(none.value)
    assert none.note == "a cell has no answers"


def test_a_cell_seen_in_few_images_has_no_interval():
    num = den = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    everywhere, somewhere = cell_means(num, den, draws=100).estimates()
    assert everywhere.note == "every replicate is the same: the interval has no width"
    assert somewhere.value == 1
    assert np.isnan(somewhere.lo)
    assert "too few images" in somewhere.note


def test_one_image_has_no_interval():
    (estimate,) = cell_means([[3.0]], [[4.0]]).estimates()
    assert estimate.value == 0.75
    assert np.isnan(estimate.se)


def test_shapes_are_checked():
    with pytest.raises(UserError, match="alike"):
        cell_means(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(UserError, match="one image per question"):
        sum_by_image(np.ones(3), ["a", "b"])
