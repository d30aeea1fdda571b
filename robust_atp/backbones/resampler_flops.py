"""Prefill cost where a resampler stands between the visual tokens and the decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from robust_atp.backbones.flops import PrefillShape, linear_weights


class ResamplerCost(Protocol):
    """A resampler, which hands the same number of tokens to the decoder whatever it reads."""

    @property
    def latents(self) -> int:
        """Tokens that it hands on."""

    def flops(self, tokens: float) -> float:
        """Floating-point operations when it reads ``tokens`` visual tokens, counted as ``PrefillShape`` says."""


@dataclass(frozen=True)
class Resampled:
    """What visual tokens cost that are pruned before a resampler: fewer of them make the resampler cheaper only."""

    resampler: ResamplerCost
    decoder: PrefillShape
    beside: int = 0
    """Tokens that the resampler reads whatever is pruned: a CLS token."""

    @property
    def layers(self) -> int:
        """Layers of the decoder."""
        return self.decoder.layers

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Operations of resampler and decoder, without text, when ``tokens_per_layer[0]`` visual tokens are kept."""
        decoder = self.decoder.flops([self.resampler.latents] * self.layers)
        return self.resampler.flops(tokens_per_layer[0] + self.beside) + decoder


@dataclass(frozen=True)
class QFormerShape:
    """What decides the cost of BLIP-2's Q-Former: queries attend to themselves, in some layers to what it reads too."""

    latents: int
    layers: int
    cross_layers: int
    latent_weights: int
    """Weights of all linear maps, over all layers, that queries pass through."""
    read_weights: int
    """Those that what is read passes through: keys and values of cross-attention."""
    attention: int
    """heads × head_dim"""

    @classmethod
    def of(cls, qformer: Any, latents: int) -> "QFormerShape":
        """Read the shape off a ``Blip2QFormerModel``."""
        layers = list(qformer.encoder.layer)
        crossing = [layer.crossattention for layer in layers if layer.has_cross_attention]
        read = linear_weights(
            part for cross in crossing for part in (cross.attention.key, cross.attention.value)
        )
        own = [
            part
            for layer in layers
            for part in (layer.attention, layer.intermediate_query, layer.output_query)
        ]
        return cls(
            latents=latents,
            layers=len(layers),
            cross_layers=len(crossing),
            latent_weights=linear_weights([*own, *crossing]) - read,
            read_weights=read,
            attention=qformer.config.hidden_size,
        )

    def flops(self, tokens: float) -> float:
        """``2 m W_latent + 2 n W_read + 4 m² a L + 4 m n a L_cross`` for m latents that read n tokens."""
        linear = 2.0 * self.latents * self.latent_weights + 2.0 * tokens * self.read_weights
        attended = self.latents * self.layers + tokens * self.cross_layers
        return linear + 4.0 * self.latents * attended * self.attention


@dataclass(frozen=True)
class PerceiverShape:
    """What decides the cost of a perceiver resampler: latents attend to what they read and to themselves."""

    latents: int
    blocks: int
    latent_weights: int
    """Weights of all linear maps, over all blocks, that only latents pass through."""
    read_weights: int
    """Those that latents and what is read pass through: keys and values."""
    attention: int
    """heads × head_dim"""

    @classmethod
    def of(cls, resampler: Any) -> "PerceiverShape":
        """Read the shape off an ``IdeficsPerceiverResampler``."""
        attentions = [attention for attention, _ in resampler.blocks]
        read = linear_weights(
            part for attention in attentions for part in (attention.k_proj, attention.v_proj)
        )
        return cls(
            latents=resampler.n_latents,
            blocks=len(attentions),
            latent_weights=linear_weights(resampler.blocks) - read,
            read_weights=read,
            attention=resampler.n_heads * resampler.head_dim,
        )

    def flops(self, tokens: float) -> float:
        """``2 m W_latent + (n + m)(2 W_read + 4 m a B)`` for m latents that read n tokens in B blocks."""
        each = 2.0 * self.read_weights + 4.0 * self.latents * self.attention * self.blocks
        return 2.0 * self.latents * self.latent_weights + (tokens + self.latents) * each
