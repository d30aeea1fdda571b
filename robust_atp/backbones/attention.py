"""Attention weights of chosen layers while the model stays on SDPA."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

# Queries and keys [B, H, T, d] and the scaling, to what is kept of the softmax attention.
Reduction = Callable[[Tensor, Tensor, float], Tensor]


def attention_of_first_token(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """Softmax attention of the first (CLS) query to all other tokens, float32 [B, H, T - 1]."""
    logits = query[:, :, :1] @ key.transpose(-1, -2) * scaling  # [B, H, 1, T]
    return logits.softmax(-1, dtype=torch.float32)[:, :, 0, 1:]


def single_head_attention_of_first_token(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """``attention_of_first_token`` with the H heads side by side as one head of width H · d [B, 1, T - 1].

    ``scaling`` is that of one head, d^-½; the wide head's is (H · d)^-½.
    """
    heads = query.shape[1]
    # Heads scaled alike add up: q·k over all of H · d is the sum over heads of their q·k.
    logits = (query[:, :, :1] @ key.transpose(-1, -2)).sum(1, keepdim=True) * scaling / heads**0.5
    return logits.softmax(-1, dtype=torch.float32)[:, :, 0, 1:]


def keys_of_patches(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """Attention keys of all tokens but the first [B, H, T - 1, d]."""
    return key[:, :, 1:]


def attention_received(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """Softmax attention that each token but the first receives, mean over all queries, float32 [B, H, T - 1].

    Works image by image: the full matrix of 64 images takes 1.3 GB in ViT-L/14 at 336 px.
    """
    received = [
        (q @ k.transpose(-1, -2) * scaling).softmax(-1, dtype=torch.float32).mean(-2)
        for q, k in zip(query, key, strict=True)
    ]
    return torch.stack(received)[:, :, 1:]


# What stands before the colon in a signal's name.
REDUCTIONS: dict[str, Reduction] = {
    "cls_attention": attention_of_first_token,
    "single_head_cls_attention": single_head_attention_of_first_token,
    "received_attention": attention_received,
    "keys": keys_of_patches,
}


@contextmanager
def captured_input(module: nn.Module, name: str, captured: dict[str, Tensor]) -> Iterator[None]:
    """Record the first argument of ``module`` under ``name`` in ``captured`` for the length of the scope."""
    handle = module.register_forward_pre_hook(lambda _, inputs: captured.update({name: inputs[0]}))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def captured_attention(
    model: PreTrainedModel, wanted: Mapping[str, tuple[nn.Module, Reduction]]
) -> Iterator[dict[str, Tensor]]:
    """Record, by name, a reduction of the attention inside the given attention modules of ``model``.

    The attention function is registered under a name of its own for the length of the scope, and hands
    every layer on to SDPA. Afterwards the model runs on SDPA again and the registries hold what they held.
    Models without attention mask only (vision towers): weights are not masked.
    """
    captured: dict[str, Tensor] = {}

    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        for name, (chosen, reduce) in wanted.items():
            if module is chosen:
                captured[name] = reduce(query, key, kwargs["scaling"])
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)

    implementation = f"captured_{uuid4().hex}"
    before = model.config._attn_implementation
    AttentionInterface.register(implementation, attention)
    # Without a mask function of the same name transformers drops the padding mask silently.
    AttentionMaskInterface.register(implementation, sdpa_mask)
    try:
        model.set_attn_implementation(implementation)
        yield captured
    finally:
        model.set_attn_implementation(before)
        # There is no public way to take a registration back.
        AttentionInterface._global_mapping.pop(implementation)
        AttentionMaskInterface._global_mapping.pop(implementation)
