"""AdaptInfer's offline analysis against ruptures, and on profiles whose shifts are known."""

import numpy as np
import pytest
import ruptures
import torch
from tiny_llava import photos

from robust_atp.errors import UserError
from robust_atp.pruning import keep_indices
from robust_atp.pruning.cut_layers import Shifts, all_changes, count_shifts, one_change


@pytest.mark.parametrize("layers", [6, 12, 32])
def test_one_change_is_what_ruptures_finds(layers):
    rng = np.random.default_rng(layers)
    for _ in range(20):
        series = rng.random((layers, 1)).cumsum(0)
        expected = ruptures.Binseg(model="l2", min_size=2, jump=1).fit(series).predict(n_bkps=1)
        assert one_change(series) == expected[:-1]


@pytest.mark.parametrize(("layers", "places"), [(2, {1}), (3, {1, 2}), (4, {1, 2, 3})])
def test_shallow_decoders_can_shift_anywhere(layers, places):
    for place in places:
        series = np.where(np.arange(layers) < place, 0.0, 1.0)[:, None]
        assert one_change(series) == [place]


def test_a_penalty_finds_as_many_shifts_as_there_are():
    steps = np.repeat([0.0, 5.0, 1.0, 9.0], 8)[:, None]
    assert all_changes(steps, 1.0) == [8, 16, 24]
    assert all_changes(steps, 1e6) == []
    assert all_changes(np.zeros((8, 1)), 1.0) == []


def test_planted_shifts_are_found():
    """Attention to the tokens looked at stops after a layer, so that its running sum is flat from there on."""
    profiles = []
    for stop in [3, 3, 3, 9, 9, 15]:
        profile = np.zeros((20, 30))
        profile[0, :3] = 1.0  # a tenth of the tokens
        profile[stop, :3] = 30.0
        profile[:, 3:] = 0.01
        profiles.append(profile)
    shifts = count_shifts(profiles, 20, one_change)
    assert shifts.prompts == 6
    assert {layer + 1: count for layer, count in enumerate(shifts.counts) if count} == {3: 9, 9: 6, 15: 3}
    assert shifts.cuts() == [3, 9, 15]


def test_among_equals_the_shallower_layer():
    assert Shifts(np.array([0, 4, 0, 4, 0]), 1).cuts() == [1, 2, 4]
    with pytest.raises(UserError, match="a decoder of 3 layers cannot be cut at 3 places"):
        Shifts(np.array([1, 1]), 1).cuts()


def test_profiles_are_eager_attention(tiny_backbone, tiny_llava_folder):
    from transformers import LlavaForConditionalGeneration

    tokens = tiny_backbone.encode(photos(2), frozenset())
    kept = keep_indices(tokens, [range(16)] * 2, "original")
    questions = ["how many", "what shape is on the left of the star"]
    eager = LlavaForConditionalGeneration.from_pretrained(
        tiny_llava_folder, attn_implementation="eager"
    ).eval()
    for question, profile, image in zip(
        questions, tiny_backbone.text_to_vision(kept, questions), photos(2), strict=True
    ):
        text = f"USER: <image>\n{question} ASSISTANT:"
        inputs = tiny_backbone.processor(images=image, text=text, return_tensors="pt")
        with torch.no_grad():
            attentions = eager(**inputs, output_attentions=True).attentions
        start = inputs["input_ids"][0].tolist().index(4)
        expected = torch.stack([a[0, :, start + 16 :, start : start + 16].mean((0, 1)) for a in attentions])
        torch.testing.assert_close(profile, expected, rtol=1e-3, atol=1e-5)
