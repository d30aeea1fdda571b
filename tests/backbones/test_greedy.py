"""The decoding loop: gaps in position ids, padding, early end."""

import pytest
import torch

from robust_atp.backbones.greedy import PromptBatch, Span, decode_greedily


@pytest.fixture(scope="module")
def parts(tiny_backbone):
    return tiny_backbone.model.model.language_model, tiny_backbone.model.lm_head


def span(decoder, ids, positions):
    return Span(decoder.get_input_embeddings()(torch.tensor(ids)).detach(), torch.tensor(positions))


@torch.no_grad()
def test_gaps_in_position_ids_are_not_taken_for_packed_sequences(parts):
    """With neither mask nor cache transformers makes the attention block-diagonal at every gap."""
    decoder, head = parts
    ids, positions = [1, 9, 12, 20, 7, 15], [0, 1, 5, 6, 11, 12]
    batch = PromptBatch([span(decoder, ids[:4], positions[:4])], [0], [span(decoder, ids[4:], positions[4:])])
    ours = decode_greedily(decoder, head, batch, frozenset(), 1).first_logprobs[0]
    inputs = {"input_ids": torch.tensor([ids]), "position_ids": torch.tensor([positions]), "use_cache": False}
    causal = torch.ones(6, 6, dtype=torch.bool).tril()[None, None]
    right = head(decoder(**inputs, attention_mask=causal).last_hidden_state[0, -1]).log_softmax(-1)
    trapped = head(decoder(**inputs).last_hidden_state[0, -1]).log_softmax(-1)
    torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-4)
    assert (trapped - right).abs().max() > 0.1


@torch.no_grad()
def test_each_row_stops_at_its_own_end(parts):
    decoder, head = parts
    batch = PromptBatch(
        [span(decoder, [1, 9], [0, 1]), span(decoder, [1], [0])],
        [1, 0, 1],
        [span(decoder, [12], [2]), span(decoder, [20, 7], [2, 3]), span(decoder, [15, 8, 6], [1, 2, 3])],
    )
    free = decode_greedily(decoder, head, batch, frozenset(), 6).token_ids
    assert [len(ids) for ids in free] == [6, 6, 6]
    end = free[0][2]
    stopped = decode_greedily(decoder, head, batch, frozenset({end}), 6).token_ids
    for long, short in zip(free, stopped, strict=True):
        assert short == (long[: long.index(end)] if end in long else long)
    assert len({len(ids) for ids in stopped}) > 1
