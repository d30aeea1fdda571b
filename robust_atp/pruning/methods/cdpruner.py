"""CDPruner: a diverse subset, weighted by relevance to the question."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.pruning.method import Method
from robust_atp.pruning.options import within
from robust_atp.pruning.scores import Sample, TextSimilarity, min_max
from robust_atp.pruning.selection import ranked

# A token adds no volume if this much or less of its squared length is left: that is rounding of float64.
_NO_VOLUME = 1e-10

# Gains this near to each other are equal, and the lower index wins. Not by converting them to float32: at θ near 1
# they go down to 1e-300.
_TIE = 1e-7


def cdpruner(theta: float | None = None, position_policy: str = "compacted") -> Method:
    """Find the most probable K-subset of a determinantal point process conditioned on the question, greedily.

    The kernel is ``L = diag(r) S diag(r)`` with S the cosines of the projected tokens and r the relevance:
    minus the cosine of patch and question in CLIP's joint space, min-max normalised. Each step takes the token
    that adds most to ``log det L_S`` (fast greedy MAP inference, Chen et al., 2018).

    - ``theta`` null, or in [0, 1): with it r becomes ``exp(θ / (2 (1 − θ)) · r)``; at 0 the question plays
      no part, near 1 it decides alone.
    - ``position_policy`` compacted | original: the released code renumbers what is kept.

    Normalised per image; the released code takes minimum and maximum over the batch, which makes a result
    depend on who shares it. Relevance without contrast weighs all tokens alike. Once no token
    adds volume, as beyond the rank of the features where the released code repeats indices, the most relevant
    ones fill up. The question is cut to the text tower's length instead of averaged over segments.
    """
    if theta is not None:
        within("theta", theta, 0, 0.999)
    return Method(
        "cdpruner",
        "keeps a diverse set, weighted by (inverted) similarity with the question",
        TextSimilarity(sign=-1),
        selection=ConditionalDeterminantal(theta),
        position_policy=position_policy,
        paper="Zhang et al., Beyond Attention or Similarity: Maximizing Conditional Diversity for Token Pruning in "
        "MLLMs (CDPruner), NeurIPS 2025, arXiv:2506.10967",
    )


@dataclass(frozen=True)
class ConditionalDeterminantal:
    """Greedy MAP of a determinantal point process whose qualities come from the scores."""

    theta: float | None = None

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]."""
        quality = self._quality(scores.double())
        # Not in float32, where the length of 1 is off by 1e-7: without relevance that would choose the first.
        vectors = torch.nn.functional.normalize(sample.features.double(), dim=-1)
        chosen = greedy_map(quality[:, None] * (vectors @ vectors.T) * quality, count)
        left = scores.float().index_fill(0, chosen, -torch.inf)
        return torch.cat([chosen, ranked(left)[: count - len(chosen)]]).sort().values

    def _quality(self, scores: Tensor) -> Tensor:
        relevance = min_max(scores) if scores.max() > scores.min() else torch.ones_like(scores)
        if self.theta is None:
            return relevance
        # A common factor changes no choice; relative to the most relevant token θ near 1 does not overflow.
        return (self.theta / (2 * (1 - self.theta)) * (relevance - 1)).exp()


def greedy_map(kernel: Tensor, count: int) -> Tensor:
    """Up to ``count`` indices in the order chosen; fewer, if no other token adds volume.

    Row k of the Cholesky factor of the chosen tokens against all: ``e = (L_j − Σ e_j e) / d_j``, and the gain
    of every token falls by e². ``kernel`` is positive semidefinite, float64 [N, N].
    """
    gains = kernel.diagonal().clone()  # squared distance to the span of the chosen [N]
    factor = kernel.new_zeros(count, len(kernel))
    chosen: list[int] = []
    while len(chosen) < count:
        candidates = gains.masked_fill(gains <= _NO_VOLUME * kernel.diagonal(), -torch.inf)
        largest = candidates.amax()
        if largest == -torch.inf:
            break
        best = int((candidates >= largest * (1 - _TIE)).nonzero()[0])
        row = (kernel[best] - factor[:, best] @ factor) / math.sqrt(gains[best])
        factor[len(chosen)] = row
        gains = gains - row.square()
        chosen.append(best)
        gains[chosen] = -torch.inf
    return torch.tensor(chosen, dtype=torch.long, device=kernel.device)
