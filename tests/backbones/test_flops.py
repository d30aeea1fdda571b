"""The FLOPs formula against what torch counts in a real forward."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from robust_atp.backbones.flops import DecoderShape


@pytest.mark.parametrize("tokens", [1, 7, 40])
def test_formula_equals_counted_operations(tiny_backbone, tokens):
    decoder = tiny_backbone.model.model.language_model
    before = decoder.config._attn_implementation
    # Eager attention is made of plain matrix products, which the counter knows on every device.
    decoder.set_attn_implementation("eager")
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            decoder(inputs_embeds=torch.randn(1, tokens, 32))
    finally:
        decoder.set_attn_implementation(before)
    shape = DecoderShape.of(decoder)
    assert shape.flops([tokens] * shape.layers) == counter.get_total_flops()
