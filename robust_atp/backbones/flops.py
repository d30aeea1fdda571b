"""Prefill cost of a decoder by one fixed convention."""

from torch import nn
from transformers import PreTrainedModel


def prefill_flops(decoder: PreTrainedModel, tokens: int) -> float:
    """Floating-point operations to prefill one prompt of ``tokens`` tokens, text included.

    ``2 n W + 4 n² Σ_layers (heads × head_dim)`` with W the weights of all linear maps inside the layers
    (query, key, value, output and MLP). A multiply-add counts as two, attention as the full n × n matrix.
    Embeddings, norms, softmax and the vocabulary head are left out. The field's ``4nd² + 2n²d + 3ndm`` per
    layer counts a multiply-add as one and is half of this.
    """
    config = decoder.config
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layers = decoder.get_submodule("layers")
    linear = sum(module.weight.numel() for module in layers.modules() if isinstance(module, nn.Linear))
    attention = config.num_hidden_layers * config.num_attention_heads * head_dim
    return 2.0 * tokens * linear + 4.0 * tokens**2 * attention
