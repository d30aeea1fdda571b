"""Prefill cost of a decoder that looks at the image by gated cross-attention, and of a perceiver resampler.

The convention is that of `flops.py`: a multiply-add counts as two, attention as the full matrix; embeddings, norms,
softmax, gates and the vocabulary head are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from robust_atp.backbones.flops import DecoderShape


@dataclass(frozen=True)
class CrossDecoderShape:
    """What decides the cost of a decoder with gated cross-attention layers between its own."""

    own: DecoderShape
    cross_layers: int
    text_weights: int
    """Weights of a cross-attention layer that text passes through: query, output and MLP."""
    image_weights: int
    """Weights of a cross-attention layer that visual tokens pass through: key and value."""

    @classmethod
    def of(cls, decoder: Any) -> "CrossDecoderShape":
        """Read the shape off an ``IdeficsModel``."""
        layers = decoder.gated_cross_attn_layers
        attention = layers[0].cross_attn
        text = _weights([attention.q_proj, attention.o_proj, layers[0].mlp])
        return cls(DecoderShape.of(decoder), len(layers), text, _weights([attention.k_proj, attention.v_proj]))

    def flops(self, text: float, visual: float) -> float:
        """Operations of a prefill of ``text`` tokens (n) that look at ``visual`` ones (k).

        Own layers: ``2 n W + 4 n² · attention`` each. Cross-attention: ``2 n W_text + 2 k W_image + 4 n k ·
        attention`` each.
        """
        cross = 2.0 * text * self.text_weights + 2.0 * visual * self.image_weights
        cross += 4.0 * text * visual * self.own.attention
        return self.own.flops([text] * self.own.layers) + self.cross_layers * cross


@dataclass(frozen=True)
class ResamplerShape:
    """What decides the cost of a perceiver resampler: latents read the context and themselves, block after block."""

    blocks: int
    latents: int
    latent_weights: int
    """Weights of a block that only latents pass through: query, output and MLP."""
    read_weights: int
    """Weights of a block that all that is read passes through: key and value."""
    attention: int
    """heads × head_dim"""

    @classmethod
    def of(cls, resampler: Any) -> "ResamplerShape":
        """Read the shape off an ``IdeficsPerceiverResampler``."""
        attention, mlp = resampler.blocks[0]
        return cls(
            blocks=len(resampler.blocks),
            latents=resampler.n_latents,
            latent_weights=_weights([attention.q_proj, attention.output_proj, mlp]),
            read_weights=_weights([attention.k_proj, attention.v_proj]),
            attention=attention.n_heads * attention.head_dim,
        )

    def flops(self, context: float) -> float:
        """Operations of l latents on ``context`` tokens (m).

        ``2 l W_latent + (m + l)(2 W_read + 4 l · attention)`` for each block.
        """
        read = context + self.latents
        each = 2.0 * self.latents * self.latent_weights
        each += read * (2.0 * self.read_weights + 4.0 * self.latents * self.attention)
        return self.blocks * each


@dataclass(frozen=True)
class VisualShape:
    """What the visual tokens cost by themselves, in the form in which budgets are matched: see ``DecoderShape``."""

    decoder: CrossDecoderShape
    resampler: ResamplerShape | None
    """The resampler that reads the tokens, if one does."""

    @property
    def layers(self) -> int:
        """Layers of the decoder's own."""
        return self.decoder.own.layers

    def flops(self, tokens_per_layer: Sequence[float]) -> float:
        """Operations spent on n tokens, the same for every layer: on being resampled, and as keys and values."""
        kept = tokens_per_layer[0]
        if self.resampler is None:
            return self.decoder.flops(0, kept)
        return self.resampler.flops(kept) + self.decoder.flops(0, self.resampler.latents)


def _weights(modules: Iterable[nn.Module]) -> int:
    linear = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    # Not the size of the weight, which a quantised layer packs.
    return sum(m.in_features * m.out_features for m in linear)
