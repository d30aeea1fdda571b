"""What the two modules of a decoder layer do to each token."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def observed_transitions(layer: nn.Module | None) -> Iterator[list[Tensor]]:
    """Record ``‖out‖ / ‖in‖`` and ``cos(out, in)``, stacked to [2, B, T], of a layer's attention and its MLP.

    Input is what leaves the norm before the module, output what the residual connection adds.
    """
    recorded: list[Tensor] = []
    entered: list[Tensor] = []

    def enter(module: nn.Module, arguments: tuple, output: Tensor) -> None:
        entered.append(output.float())

    def leave(module: nn.Module, arguments: tuple, output: Tensor | tuple[Tensor, ...]) -> None:
        out, before = (output[0] if isinstance(output, tuple) else output).float(), entered.pop()
        magnitude = out.norm(dim=-1) / before.norm(dim=-1)
        recorded.append(torch.stack([magnitude, torch.cosine_similarity(out, before, dim=-1)]))

    handles = []
    if layer is not None:
        for norm, module in (("input_layernorm", "self_attn"), ("post_attention_layernorm", "mlp")):
            handles.append(layer.get_submodule(norm).register_forward_hook(enter))
            handles.append(layer.get_submodule(module).register_forward_hook(leave))
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()
