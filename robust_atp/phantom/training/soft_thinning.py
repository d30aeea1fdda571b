"""A vision tower whose patches fade instead of leaving, so that a selector can learn which should.

Every token stays in its place, and those that are dropped are hidden from the others by attention. The gradient then
also says what a token would have been worth that was dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# What a hidden token still weighs in attention, for its logarithm to be finite. 196 of them weigh 2e-4 together.
_HIDDEN = 1e-6

# Bound of what the gradient says that one token is worth to an image's loss, in nats.
_LARGEST_EFFECT = 0.003


@dataclass(frozen=True)
class SoftlyThinned:
    """B images after the tower, nothing dropped: N patches and the package."""

    tokens: Tensor  # [B, N + 1, D]
    left: Tensor  # [S, B, N] in {0, 1} after each cut, with a gradient
    made_at: Tensor  # [B], the patch that weighs most in the package


def thin_softly(
    layers: Sequence[nn.Module],
    hidden: Tensor,
    selectors: nn.ModuleDict,
    depth: int,
    generator: torch.Generator | None,
) -> SoftlyThinned:
    """Send images through layers of a CLIP tower, from the first cut on, until ``depth`` layers are passed.

    ``hidden`` is [B, 1 + N, D] at the first cut; the keys of ``selectors`` are the layers passed at each cut. Without
    a ``generator`` nothing is sampled: what is likelier to be kept than not stays, the paper's rule at inference.
    """
    batch, length, _ = hidden.shape
    left = hidden.new_ones(batch, length - 1)
    stages: list[Tensor] = []
    packed = hidden.new_zeros(batch, length - 1)  # weight of each patch in the package
    package = torch.zeros_like(hidden[:, :1])
    first = min(int(passed) for passed in selectors)
    for passed in range(first, depth + 1):
        if passed > first:
            tokens = torch.cat([hidden, package], 1)
            seen = torch.cat([torch.ones_like(left[:, :1]), left, torch.ones_like(left[:, :1])], 1)
            tokens = layers[passed - 1](tokens, hide(seen)[:, None, None])
            hidden, package = tokens[:, :-1], tokens[:, -1:]
        if str(passed) in selectors:
            keep = selectors[str(passed)](hidden[:, 1:], left)  # [B, N]
            stays = left * ((keep > 0.5).float() if generator is None else straight_through(keep, generator))
            going = (left - stays) * keep
            before, weight = packed.sum(1), going.sum(1)
            mixture = (going[..., None] * hidden[:, 1:]).sum(1, keepdim=True)
            package = (before[:, None, None] * package + mixture) / (before + weight + 1e-9)[:, None, None]
            packed, left = packed + going, stays
            stages.append(left)
    return SoftlyThinned(torch.cat([hidden[:, 1:], package], 1), torch.stack(stages), packed.argmax(1))


def straight_through(keep: Tensor, generator: torch.Generator) -> Tensor:
    """Sample 0 or 1 with probability ``keep``, with the gradient of the sigmoid that was rounded.

    The difference of two Gumbel variables is logistic, so this is the hard Gumbel softmax over (keep, drop) at
    temperature 1.
    """
    uniform = torch.rand(keep.shape, generator=generator).clamp(1e-6, 1 - 1e-6).to(keep.device)
    soft = (keep.logit(1e-6) + uniform.logit()).sigmoid()
    return soft + ((soft > 0.5).float() - soft).detach()


def hide(left: Tensor) -> Tensor:
    """Bias that multiplies a token's share of attention by ``left`` [B, N] in {0, 1} before it is normalised.

    ``exp(a + log m) = m · exp(a)``: DynamicViT's masked softmax, for any attention. The gradient is bounded, for at a
    hidden token it is ``exp(a) / Z`` with Z summed without it, which can say that a token would take a thousand
    times what there is to take. Unbounded, single tokens made up a gradient of norm 250, at random: its mean over
    patches on objects pointed away from keeping them at two of three cuts, with the bound at none (32 scenes).
    """
    m = left.clone()
    if m.requires_grad:
        bound = _LARGEST_EFFECT / len(m)  # the loss is a mean over images
        m.register_hook(lambda gradient: gradient.clamp(-bound, bound))
    return (m + _HIDDEN).log()
