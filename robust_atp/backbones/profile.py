"""How much the text looks at each visual token, layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from robust_atp.backbones.greedy import Span
from robust_atp.backbones.staged import Prefill


def text_to_vision(
    decoder: PreTrainedModel, prompts: Sequence[Span], images: Sequence[slice], visual: Sequence[Tensor]
) -> list[Tensor]:
    """Attention of the text after the image to each visual token, mean over heads and text: [L, N] per prompt."""
    state = Prefill(decoder, prompts, images, visual)
    layers: list[list[Tensor]] = [[] for _ in prompts]
    for depth in range(1, len(list(decoder.get_submodule("layers").children())) + 1):
        state.advance(depth)
        for row, profile in enumerate(layers):
            view = state.view(row)
            profile.append(view.attention(view.text).mean((0, 1))[view.visual])
    return [torch.stack(profile) for profile in layers]
