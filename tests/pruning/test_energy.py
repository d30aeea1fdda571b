"""The budget from spectral energy, against planted spectra and a plain loop."""

import pytest
import torch
from made_up import made_up
from naive import spectral_count

from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner, label
from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.energy import SpectralEnergy, squared_singular_values
from robust_atp.pruning.scores import Sample


def planted(values, rows=12, columns=9, seed=0):
    """A matrix [rows, columns] with the given singular values."""
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(rows, len(values), generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(columns, len(values), generator=generator, dtype=torch.float64))
    return left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right.T


def count_of(matrix, keep=0.5, **options):
    sample = Sample((1, len(matrix)), {"tower_features": matrix}, features=matrix)
    return SpectralEnergy(**options)(torch.zeros(len(matrix)), keep, sample)


@pytest.mark.parametrize(
    ("tau", "squared", "plain"),
    [(0.05, 1, 1), (0.55, 1, 2), (0.65, 2, 2), (0.85, 2, 3), (0.95, 3, 3), (0.99, 4, 4)],
)
def test_planted_spectrum(tau, squared, plain):
    """4, 3, 2, 1: shares of σ² are 16, 25, 29, 30 of 30, those of σ 4, 7, 9, 10 of 10."""
    matrix = planted([4.0, 3.0, 2.0, 1.0])
    expected = next(k for k, share in enumerate([16 / 30, 25 / 30, 29 / 30, 1], 1) if share >= tau)
    assert count_of(matrix, tau=tau) == expected
    expected = next(k for k, share in enumerate([0.4, 0.7, 0.9, 1], 1) if share >= tau)
    assert count_of(matrix, tau=tau, exponent=1) == expected


@pytest.mark.parametrize("shape", [(16, 9), (9, 16), (1, 5), (5, 1)])
def test_any_matrix_against_a_loop(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for tau in (0.1, 0.5, 0.9, 0.999):
        assert count_of(matrix, tau=tau) == spectral_count(matrix, tau)
        centred = matrix - matrix.mean(0)
        if len(matrix) > 1:
            assert count_of(matrix, tau=tau, variant="centred") == spectral_count(centred, tau)
        lengths = matrix / matrix.norm(dim=1, keepdim=True)
        assert count_of(matrix, tau=tau, variant="normalised") == spectral_count(lengths, tau)


def test_variants_tokens_and_exponent_matter():
    noise = torch.randn(20, 12, generator=torch.Generator().manual_seed(2))
    matrix = noise * torch.arange(1, 21)[:, None] ** 2 / 20 + 6
    assert len({count_of(matrix, tau=0.8, variant=v) for v in ("raw", "centred", "normalised")}) == 3
    assert count_of(matrix, tau=0.8, exponent=1) > count_of(matrix, tau=0.8)
    sample = Sample((1, 20), {"tower_features": matrix}, features=torch.ones(20, 3))
    assert SpectralEnergy(0.8)(torch.zeros(20), 0.5, sample) == 1
    budget = SpectralEnergy(0.8, tokens="tower")
    assert budget.needs == {"tower_features"}
    assert budget(torch.zeros(20), 0.5, sample) == spectral_count(matrix, 0.8)


def test_keep_is_the_share_unless_there_is_a_threshold_and_one_keeps_all():
    matrix = planted([4.0, 3.0, 2.0, 1.0])
    assert count_of(matrix, keep=0.95) == count_of(matrix, tau=0.95) == 3
    assert count_of(matrix, keep=0.1, tau=0.95) == 3
    assert count_of(matrix, keep=1) == 12  # the rank is 4
    assert count_of(matrix, keep=1, tau=0.5, k_max=2) == 12
    assert count_of(matrix, tau=1.0) == 12


def test_clipping():
    matrix = planted([4.0, 3.0, 2.0, 1.0])
    assert count_of(matrix, tau=0.01, k_min=3) == 3
    assert count_of(matrix, tau=0.99, k_max=2) == 2
    assert count_of(matrix, tau=0.99, k_min=50) == 12


def test_tokens_without_energy():
    assert count_of(torch.zeros(6, 4), tau=0.9) == 1
    assert count_of(torch.ones(6, 4), tau=0.9, variant="centred", k_min=2) == 2


def test_randomised_values_are_those_of_a_fast_falling_spectrum():
    values = [2.0**-number for number in range(30)]
    matrix = planted(values, rows=60, columns=50)
    found = squared_singular_values(matrix, rank=12)
    torch.testing.assert_close(
        found[:10].sqrt(), torch.tensor(values[:10], dtype=torch.float64), rtol=1e-6, atol=0
    )
    for tau in (0.5, 0.9, 0.99, 0.999):
        assert count_of(matrix, tau=tau, svd="randomised", rank=12) == spectral_count(matrix, tau)


def test_a_share_that_the_rank_does_not_reach_gives_the_rank():
    matrix = planted([1.0] * 9)
    assert count_of(matrix, tau=0.9, svd="randomised", rank=4) == 4
    assert count_of(matrix, tau=0.9, svd="randomised", rank=400) == 9


def test_randomised_values_leave_global_randomness_alone_and_repeat():
    matrix = torch.randn(40, 30, dtype=torch.float64)
    state = torch.random.get_rng_state()
    first = squared_singular_values(matrix, rank=5)
    assert torch.equal(first, squared_singular_values(matrix, rank=5))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "ranker",
    [
        "cls-attention",
        "random",
        "divprune",
        "visionzip",
        "downsample",
        {"name": "atp", "alpha": 0.2},
        "cdpruner",
    ],
)
def test_it_is_the_ranker_at_the_count_that_energy_asks_for(ranker):
    tokens, text = made_up((5, 6))
    method = build_pruner("e-adaprune", {"ranker": ranker, "tau": 0.9})
    kept = method.prune(tokens, [0], text, 0.3, 0, ["k"])
    count = spectral_count(tokens[0].features, 0.9)
    options = ranker if isinstance(ranker, dict) else {"name": ranker}
    plain = build_pruner(options["name"], {k: v for k, v in options.items() if k != "name"})
    expected = plain.prune(tokens, [0], text, count / 30, 0, ["k"])
    assert 1 < count < 8
    assert torch.equal(kept.indices[0], expected.indices[0])
    assert torch.equal(kept.features[0], expected.features[0])
    assert method.needs == plain.needs
    assert method.needs_text == plain.needs_text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranker": "prumerge"}, "'prumerge' has one of its own"),
        ({"ranker": "none"}, "'none' has one of its own"),
        ({"ranker": "atp-llava"}, "'atp-llava' has one of its own"),
        ({"ranker": "e-adaprune"}, "'e-adaprune' has one of its own"),
        ({"ranker": "apt"}, r"did you mean 'atp'\?"),
        ({"ranker": {"alpha": 1}}, "ranker must be a pruner's name or a mapping"),
        ({"ranker": {"name": "atp", "alpha": 2}}, "alpha must be between"),
        ({"tau": 1.5}, "tau must be between 0 and 1"),
        ({"variant": "centered"}, r"did you mean 'centred'\?"),
        ({"exponent": 3}, "exponent must be one of 2, 1"),
        ({"exponent": 1, "svd": "randomised"}, "svd must be exact"),
        ({"k_min": 5, "k_max": 4}, "k_max must be between 5"),
        ({"rank": 2.5}, "rank must be a whole number"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        build_pruner("e-adaprune", options)


def test_prumerge_with_a_fixed_budget_can_rank():
    ranker = {"name": "prumerge", "budget": "fixed"}
    assert not isinstance(build_pruner("e-adaprune", {"ranker": ranker}).budget, FixedRatio)
    assert "prumerge" in label("e-adaprune", {"ranker": ranker})
