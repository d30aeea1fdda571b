"""ATP-LLaVA's scores, on numbers that can be worked out by hand."""

import pytest
import torch

from robust_atp.backbones.flops import DecoderShape
from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner
from robust_atp.pruning.learned_thresholds import (
    ThresholdHead,
    attention_from_text,
    attention_from_vision,
    margins,
    spatial_scores,
)
from robust_atp.pruning.matching import nominal_keep, spent
from robust_atp.pruning.methods.atp_llava import Shift

EVERYTHING = torch.ones(6, dtype=torch.bool)


def head():
    torch.manual_seed(0)
    return ThresholdHead()


def test_the_grids_are_nested_and_the_coarser_counts_more():
    scores = spatial_scores(torch.arange(196), (14, 14))
    values, counts = scores.unique(return_counts=True)
    assert values.tolist() == pytest.approx([0, 0.25, 1 - 3 / 16, 1 - 3 / 64])
    assert counts.tolist() == [196 - 49, 49 - 16, 16 - 4, 4]
    assert (scores > 0.9).nonzero()[:, 0].tolist() == [0, 8, 8 * 14, 8 * 14 + 8]
    picked = torch.tensor([8, 9, 30])
    assert torch.equal(spatial_scores(picked, (14, 14)), scores[picked])
    assert spatial_scores(torch.tensor([6]), (2, 4)).tolist() == [
        0
    ]  # row 1, whatever the square grid would say


def test_the_first_tokens_gain_nothing_from_being_seen_by_more():
    """Every query pays 0.1 to each token it can see: all are equally important, though the first sums up to 0.6."""
    attention = torch.full((6, 6), 0.1).tril()
    torch.testing.assert_close(attention_from_vision(attention, EVERYTHING), torch.full((6,), 0.1))


def test_scores_of_what_is_left_do_not_depend_on_what_has_gone():
    """Training masks where inference drops: thresholds would otherwise be trained for other scores."""
    generator = torch.Generator().manual_seed(0)
    attention = torch.rand(6, 6, generator=generator).tril()
    from_text = torch.rand(3, 6, generator=generator)
    alive = torch.tensor([True, False, True, True, False, True])
    asked, one_more = torch.ones(3, dtype=torch.bool), torch.tensor([True, True, True, False])
    spatial = spatial_scores(torch.arange(6), (2, 3))
    network = head()
    masked = margins(
        network,
        attention_from_vision(attention, alive),
        attention_from_text(torch.cat([from_text, torch.ones(1, 6)]), one_more),
        spatial,
        alive,
    )
    dropped = margins(
        network,
        attention_from_vision(attention[alive][:, alive], EVERYTHING[:4]),
        attention_from_text(from_text[:, alive], asked),
        spatial[alive],
        EVERYTHING[:4],
    )
    torch.testing.assert_close(masked[alive], dropped)


def test_equal_scores_leave_the_decision_to_the_grid():
    flat = torch.full((6,), 0.3)
    spatial = spatial_scores(torch.arange(6), (2, 3))
    margin = margins(head(), flat, flat, spatial, EVERYTHING)
    assert margin.isfinite().all()
    assert margin.argmax() == 0
    assert (margin[[1, 3, 4, 5]] == margin[1]).all()
    assert margin[2] > margin[1]


def test_the_shift_falls_as_the_share_rises():
    shift = Shift((1.0, 0.0, -1.0), ((0.1, 0.05), (0.5, 0.25), (1.0, 1.0)))
    assert [shift(0, share) for share in (0.01, 0.1, 0.3, 0.5, 1.0)] == pytest.approx([1, 1, 0.5, 0, -1])
    assert shift(1, 0.25) == 0
    assert shift.table(0.375) == (0.5, 0.25)
    assert shift.table(1.0) == (1.0, 1.0)


def test_weights_must_be_named_in_words():
    with pytest.raises(UserError, match="weights must be text; got 3"):
        build_pruner("atp-llava", {"weights": 3})


def test_without_weights_it_can_be_described_but_not_used():
    method = build_pruner("atp-llava")
    assert method.trained
    assert method.placement.startswith("inside the language model, after layers 4, 14, 24 of 32")
    assert method.inside is not None
    with pytest.raises(ValueError, match="no weights yet"):
        method.inside.rule(None, 3)  # type: ignore[arg-type]  # it must not get as far as looking at it


@pytest.mark.parametrize("budget", ["mean_tokens", "prefill_flops"])
def test_budgets_are_met_by_the_calibration(ready, budget):
    method = ready("atp-llava")
    shape = DecoderShape(layers=3, weights=1000, attention=32)
    for keep in (0.5, 0.7, 1.0):
        way = method.dropping(nominal_keep(method, keep, budget, 576, shape), 576, 3, (24, 24))
        assert spent(budget, way.tokens_per_layer(576, 3), 576, shape) == pytest.approx(keep, abs=2 / 576)
