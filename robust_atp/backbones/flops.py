"""Prefill cost of a decoder by one fixed convention."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class DecoderShape:
    """What decides a decoder's prefill cost. LLaVA-1.5-7B: 32 layers, 202 375 168 weights, width 4096."""

    layers: int
    weights: int
    """Weights of all linear maps inside one layer: query, key, value, output and MLP."""
    attention: int
    """heads × head_dim"""

    @classmethod
    def of(cls, decoder: PreTrainedModel) -> "DecoderShape":
        """Read the shape off a decoder whose layers are all alike."""
        config = decoder.config
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        layers = decoder.get_submodule("layers")
        # Not the size of the weight, which a quantised layer packs.
        linear = sum(m.in_features * m.out_features for m in layers.modules() if isinstance(m, nn.Linear))
        count = config.num_hidden_layers
        return cls(count, linear // count, config.num_attention_heads * head_dim)

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Floating-point operations of a prefill whose layer l processes n_l tokens.

        ``Σ_l 2 n_l W + 4 n_l² · attention``. A multiply-add counts as two, attention as the full n × n matrix.
        Embeddings, norms, softmax, the vocabulary head and what a pruning method computes to choose its tokens
        are left out. The field's ``4nd² + 2n²d + 3ndm`` per layer counts a multiply-add as one and is half of
        this.
        """
        return sum(2.0 * n * self.weights + 4.0 * n**2 * self.attention for n in tokens_per_layer)
