"""Cost of a decoder's prefill and of a vision tower, by one fixed convention."""

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
        count = config.num_hidden_layers
        linear = _linear(decoder.get_submodule("layers"))
        return cls(count, linear // count, config.num_attention_heads * head_dim)

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Floating-point operations of a prefill whose layer l processes n_l tokens.

        ``Σ_l 2 n_l W + 4 n_l² · attention``. A multiply-add counts as two, attention as the full n × n matrix.
        Embeddings, norms, softmax, the vocabulary head and what a pruning method computes to choose its tokens
        are left out. The field's ``4nd² + 2n²d + 3ndm`` per layer counts a multiply-add as one and is half of
        this.
        """
        return flops_of_layers(tokens_per_layer, self.weights, self.attention)


@dataclass(frozen=True)
class TowerShape:
    """What decides the cost of a CLIP vision tower and the projector after it.

    LLaVA-1.5: 576 patches; 23 of 24 layers with 12 582 912 weights, width 1024 and 16 heads each; 602 112 weights
    embed a patch and 20 971 520 project it.
    """

    patches: int
    """N"""
    depth: int
    """Layers of the tower."""
    layers: int
    """Layers that what is projected has passed."""
    weights: int
    """Weights of all linear maps inside one layer."""
    attention: int
    """heads × head_dim"""
    heads: int
    embedding: int
    """Weights that make a token of a patch's pixels."""
    projector: int
    """Weights of all its linear maps."""

    @classmethod
    def of(cls, tower: PreTrainedModel, projector: nn.Module, layers: int) -> "TowerShape":
        """Read the shape off a CLIP vision tower whose first ``layers`` layers lead to the projector."""
        config = tower.config
        block = next(module for name, module in tower.named_modules() if name.endswith("encoder.layers.0"))
        return cls(
            (config.image_size // config.patch_size) ** 2,
            config.num_hidden_layers,
            layers,
            _linear(block),
            config.hidden_size,
            config.num_attention_heads,
            config.num_channels * config.patch_size**2 * config.hidden_size,
            _linear(projector),
        )

    def flops(self, tokens_per_layer: Sequence[float], projected: float) -> float:
        """Floating-point operations of embedding N patches, of layers with n_l tokens and of projecting K.

        ``2 N E + Σ_l (2 n_l W + 4 n_l² · attention) + 2 K P``, by ``DecoderShape.flops``' convention. CLS counts
        among the n_l. Layers after the projected one are left out, although ``transformers`` runs them.
        """
        layers = flops_of_layers(tokens_per_layer, self.weights, self.attention)
        return 2.0 * self.patches * self.embedding + layers + 2.0 * projected * self.projector


def flops_of_layers(tokens_per_layer: Sequence[float], weights: int, attention: int) -> float:
    """``Σ_l 2 n_l W + 4 n_l² · attention`` for layers that process n_l tokens each."""
    return sum(2.0 * n * weights + 4.0 * n**2 * attention for n in tokens_per_layer)


def _linear(module: nn.Module) -> int:
    """Weights of all linear maps inside a module."""
    return sum(inner.weight.numel() for inner in module.modules() if isinstance(inner, nn.Linear))
