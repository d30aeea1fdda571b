"""The FLOPs formulas against what torch counts in a real forward. Another kind of model is another row."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tiny_blip2 import load_blip2
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Counted:
    """A part of a model: its shape, and how it is run on ``tokens`` random vectors of width 32."""

    model: Any
    shape: Any
    run: Any

    def formula(self, tokens: int) -> float:
        is_resampler = hasattr(self.shape, "latents")
        return self.shape.flops(tokens if is_resampler else [tokens] * self.shape.layers)


@pytest.fixture(params=["llama", "opt", "t5", "q-former"])
def counted(request, tiny_backbone, tiny_blip2_folders):
    if request.param == "llama":
        decoder = tiny_backbone.language.decoder
        return Counted(decoder, tiny_backbone.shape, lambda x: decoder(inputs_embeds=x))
    folder = tiny_blip2_folders["t5" if request.param == "t5" else "opt"]
    backbone = load_blip2(folder, options={"prunes": "queries"})
    model = backbone.model.requires_grad_(
        False
    )  # the counter asks parameters that are inputs for their gradient
    if request.param == "q-former":
        return Counted(
            model.qformer, backbone.vision.resampler, lambda x: backbone.vision.ask_queries(list(x))
        )
    language = model.language_model
    if request.param == "opt":
        return Counted(language, backbone.shape, lambda x: language.model.decoder(inputs_embeds=x))

    def encode_and_start(x):
        hidden = language.encoder(inputs_embeds=x).last_hidden_state
        language.decoder(input_ids=torch.zeros(1, 1, dtype=torch.long), encoder_hidden_states=hidden)

    return Counted(language, backbone.shape, encode_and_start)


@pytest.mark.parametrize("tokens", [1, 7, 40])
def test_formula_equals_counted_operations(counted, tokens):
    before = counted.model.config._attn_implementation
    # Eager attention is made of plain matrix products, which the counter knows on every device.
    counted.model.set_attn_implementation("eager")
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            counted.run(torch.randn(1, tokens, 32))
    finally:
        counted.model.set_attn_implementation(before)
    assert counted.formula(tokens) == counter.get_total_flops()
