"""Captured attention against eager ``output_attentions`` of the same weights."""

import pytest
import torch
from tiny_llava import photos
from transformers import AttentionInterface, AttentionMaskInterface, LlavaForConditionalGeneration

from robust_atp.backbones.attention import (
    attention_of_first_token,
    captured_attention,
    keys_of_patches,
    single_head_attention_of_first_token,
)


@pytest.fixture(scope="module")
def eager_attentions(tiny_backbone, tiny_llava_folder):
    """One [B, H, T, T] per layer of the vision tower."""
    eager = LlavaForConditionalGeneration.from_pretrained(
        tiny_llava_folder, attn_implementation="eager"
    ).eval()
    pixels = tiny_backbone.processor.image_processor(photos(3), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return eager.model.vision_tower(pixels, output_attentions=True).attentions


def stacked(tokens):
    return {name: torch.stack([image.signals[name] for image in tokens]) for name in tokens[0].signals}


@pytest.mark.parametrize(
    ("layer", "index"), [("projected", 1), ("last", 2)]
)  # three layers, layer -2 projected
def test_signals_equal_eager_attention(tiny_backbone, eager_attentions, layer, index):
    names = frozenset({f"cls_attention:{layer}", f"received_attention:{layer}"})
    signals = stacked(tiny_backbone.encode(photos(3), names))
    expected = eager_attentions[index]
    torch.testing.assert_close(signals[f"cls_attention:{layer}"], expected[:, :, 0, 1:], rtol=1e-4, atol=1e-5)
    received = expected.mean(2)[:, :, 1:]
    torch.testing.assert_close(signals[f"received_attention:{layer}"], received, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layer", "index"), [("1/8", 0), ("3/8", 0), ("4/8", 1), ("7/8", 2)])
def test_fractions_of_the_depth_name_the_layer_that_is_nearest(tiny_backbone, eager_attentions, layer, index):
    """Of three layers: 3/8 · 3 = 1.125 is the first, 4/8 · 3 = 1.5 the second, 7/8 · 3 = 2.625 the third."""
    signals = stacked(tiny_backbone.encode(photos(3), frozenset({f"cls_attention:{layer}"})))
    expected = eager_attentions[index][:, :, 0, 1:]
    torch.testing.assert_close(signals[f"cls_attention:{layer}"], expected, rtol=1e-4, atol=1e-5)


def test_keys_and_wide_head_attention_come_from_the_projections_themselves(tiny_backbone):
    """Oracle: hooks on q_proj and k_proj of the last layer, and one head of the full width."""
    attention = tiny_backbone._vision.encoder.layers[-1].self_attn
    seen = {}
    hooks = [
        getattr(attention, name).register_forward_hook(lambda _, i, out, name=name: seen.update({name: out}))
        for name in ("q_proj", "k_proj")
    ]
    signals = stacked(
        tiny_backbone.encode(photos(3), frozenset({"keys:last", "single_head_cls_attention:last"}))
    )
    for hook in hooks:
        hook.remove()
    query, key = seen["q_proj"], seen["k_proj"]  # [B, 17, 32]
    wide = (query[:, :1] @ key.transpose(1, 2) / 32**0.5).softmax(-1)[:, :, 1:]
    torch.testing.assert_close(signals["single_head_cls_attention:last"], wide, rtol=1e-4, atol=1e-5)
    beside = signals["keys:last"].transpose(1, 2).flatten(2)
    torch.testing.assert_close(beside, key[:, 1:])


def test_projecting_tower_features_gives_the_features(tiny_backbone):
    for image in tiny_backbone.encode(photos(3), frozenset({"tower_features"})):
        again = image.project(image.signals["tower_features"])
        torch.testing.assert_close(again, image.features)
        assert not again.requires_grad
    assert not tiny_backbone._projector._forward_pre_hooks


def test_layers_differ_so_that_taking_the_wrong_one_would_show(eager_attentions):
    assert (eager_attentions[1] - eager_attentions[2]).abs().max() > 0.01


def test_nothing_survives_the_scope_even_when_it_fails(tiny_backbone):
    tower = tiny_backbone.model.model.vision_tower
    before = set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)
    with captured_attention(tower, {}):
        assert tower.config._attn_implementation != "sdpa"
        assert tiny_backbone.model.model.language_model.config._attn_implementation == "sdpa"
    with pytest.raises(ValueError, match="image size"), captured_attention(tower, {}):
        tower(torch.zeros(1, 2, 3, 4))
    assert tower.config._attn_implementation == "sdpa"
    assert (set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)) == before


def test_padding_is_masked_while_attention_is_captured(tiny_backbone):
    """transformers drops the padding mask of an attention name that has no mask function, without a word."""
    decoder = tiny_backbone.model.model.language_model
    ids, mask = torch.tensor([[0, 0, 1, 9, 12]]), torch.tensor([[0, 0, 1, 1, 1]])
    with torch.no_grad():
        plain = decoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 2:]
        with captured_attention(decoder, {}):
            captured = decoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 2:]
        unmasked = decoder(input_ids=ids).last_hidden_state[:, 2:]
    torch.testing.assert_close(captured, plain)
    assert (unmasked - plain).abs().max() > 0.1


def test_rows_of_softmax_without_the_first_column():
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    expected = (query @ key.transpose(-1, -2) / 2).softmax(-1)[:, :, 0, 1:]
    torch.testing.assert_close(attention_of_first_token(query, key, 0.5), expected)


def test_the_wide_head_has_its_own_scaling():
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    wide_query, wide_key = (x.transpose(1, 2).flatten(2) for x in (query, key))
    expected = (wide_query @ wide_key.transpose(-1, -2) / 12**0.5).softmax(-1)[:, None, 0, 1:]
    torch.testing.assert_close(single_head_attention_of_first_token(query, key, 0.5), expected)
    assert torch.equal(keys_of_patches(query, key, 0.5), key[:, :, 1:])
