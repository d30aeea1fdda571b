"""The threshold that gives a wanted mean, against a plain loop over thresholds."""

import pytest
import torch
from made_up import made_up
from naive import spectral_count

from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner
from robust_atp.pruning.calibration import calibrate, calibrate_all
from robust_atp.pruning.energy import SpectralEnergy


def split(images=12):
    """Images of different effective rank."""
    generator = torch.Generator().manual_seed(5)
    return [
        torch.randn(24, 16, generator=generator) * torch.arange(1, 17.0) ** -(number / 6)
        for number in range(images)
    ]


@pytest.mark.parametrize("target", [2.0, 5.5, 9.0])
def test_calibration_meets_the_mean_on_its_split(target):
    images = split()
    budget = SpectralEnergy()
    found = calibrate(images, target, budget)
    assert found.counts == tuple(spectral_count(image, found.tau) for image in images)
    assert found.mean_count == pytest.approx(target, abs=1 / len(images) + 1e-9)  # one image steps at a time
    assert len(set(found.counts)) > 1
    # and no threshold on a fine grid comes nearer
    best = min(abs(calibrate_mean(images, tau / 2000) - target) for tau in range(1, 2000))
    assert abs(found.mean_count - target) <= best + 1e-9


def calibrate_mean(images, tau):
    budget = SpectralEnergy()
    spectra = [budget.cumulative_share(image) for image in images]
    return sum(budget.count(shares, tau, 24) for shares in spectra) / len(images)


def test_calibrated_threshold_in_a_study_gives_the_calibrated_counts():
    tokens, text = made_up((5, 6), images=4)
    found = calibrate([image.features for image in tokens], 4, SpectralEnergy())
    method = build_pruner("e-adaprune", {"tau": found.tau})
    kept = method.prune(tokens, [0, 1, 2, 3], text, 4 / 30, 0, ["k"] * 4)
    assert tuple(len(chosen) for chosen in kept.indices) == found.counts


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (0.5, {}, "mean_count must be between 1 and 16; got 0.5, nearest valid: 1"),
        (20, {}, "between 1 and 16; got 20, nearest valid: 16"),
        (9, {"k_max": 4}, "between 1 and 4; got 9"),
    ],
)
def test_targets_out_of_reach_are_refused(target, options, message):
    with pytest.raises(UserError, match=message):
        calibrate(split(), target, SpectralEnergy(**options))
    with pytest.raises(UserError, match="at least one image"):
        calibrate([], 3, SpectralEnergy())


def test_the_threshold_has_no_decimal_too_many():
    found = calibrate(split(), 5.5, SpectralEnergy())
    decimals = len(repr(found.tau).partition(".")[2])
    fewer = round(found.tau, decimals - 1)
    assert tuple(spectral_count(image, fewer) for image in split()) != found.counts


def test_several_budgets_keep_the_same_share_of_images_of_any_size():
    images = made_up((5, 6), images=3)[0] + made_up((2, 4), images=2)[0]
    budgets = {
        "raw": SpectralEnergy(),
        "tower": SpectralEnergy(tokens="tower"),
        "plain": SpectralEnergy(exponent=1),
    }
    found = calibrate_all(iter(images), 0.1, budgets)
    assert found["raw"].totals == (30, 30, 30, 8, 8)
    for name, at in found.items():
        measured = [i.signals["tower_features"] if name == "tower" else i.features for i in images]
        exponent = 1 if name == "plain" else 2
        assert at.counts == tuple(spectral_count(matrix, at.tau, exponent) for matrix in measured)
        assert at.mean_keep == pytest.approx(sum(at.counts) / 106)
        assert at.mean_count == pytest.approx(0.1 * 106 / 5, abs=0.2 + 1e-9)


def test_a_budget_that_cannot_reach_the_share_is_named():
    images = made_up((5, 6), images=3)[0]
    with pytest.raises(UserError, match="clipped: mean_count must be between 1 and 2; got 3"):
        calibrate_all(images, 0.1, {"raw": SpectralEnergy(), "clipped": SpectralEnergy(k_max=2)})
    with pytest.raises(UserError, match="raw: calibrating tau needs at least one image"):
        calibrate_all([], 0.1, {"raw": SpectralEnergy()})


def test_deviation_is_that_of_the_sample():
    found = calibrate(split(), 5.5, SpectralEnergy())
    mean = sum(found.counts) / 12
    assert found.deviation == pytest.approx((sum((k - mean) ** 2 for k in found.counts) / 11) ** 0.5)
    assert str(calibrate(split(1), 5, SpectralEnergy()).deviation) == "nan"
