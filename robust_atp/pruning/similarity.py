"""Cosine similarity of token vectors."""

import torch
from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] at unit length in float32; a zero vector stays zero, so its cosine with all is 0."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def mean_key(keys: Tensor) -> Tensor:
    """Keys [H, N, d] averaged over heads, float32 [N, d]."""
    return keys.float().mean(0)


def wide_key(keys: Tensor) -> Tensor:
    """Keys [H, N, d] with the heads side by side, float32 [N, H · d]."""
    return keys.float().transpose(0, 1).flatten(1)
