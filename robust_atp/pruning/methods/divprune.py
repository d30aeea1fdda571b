"""DivPrune: the subset whose two closest tokens are as far apart as possible."""

import torch
from torch import Tensor

from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant, Sample
from robust_atp.pruning.similarity import unit


def divprune(position_policy: str = "compacted") -> Method:
    """Solve ``max min_{i≠j in S} (1 − cos(v_i, v_j))`` over |S| = K greedily, on projected tokens.

    It starts at the token that is farthest from its nearest neighbour and goes on to the token that is
    farthest from all chosen ones; among equals the lower index wins, and no index is chosen twice, which
    duplicate tokens could bring about. Written from the paper's formula.

    - ``position_policy`` compacted | original: the paper does not say; its evaluation renumbers.
    """
    return Method(
        "divprune",
        "keeps tokens that are far from each other",
        Constant(),
        selection=farthest_first,
        position_policy=position_policy,
        paper="Alvar et al., DivPrune: Diversity-based Visual Token Pruning for Large Multimodal Models, CVPR 2025, "
        "arXiv:2503.02175",
    )


def farthest_first(scores: Tensor, count: int, sample: Sample) -> Tensor:
    """Greedy max-min selection by cosine distance of the projected tokens; scores are ignored."""
    vectors = unit(sample.features)
    distances = (1 - vectors @ vectors.T).fill_diagonal_(torch.inf)  # [N, N]
    chosen = [distances.amin(1).argmax()]
    gaps = distances[chosen[0]].index_fill(0, chosen[0], -torch.inf)  # to the nearest chosen token
    while len(chosen) < count:
        chosen.append(gaps.argmax())
        gaps = gaps.minimum(distances[chosen[-1]]).index_fill(0, chosen[-1], -torch.inf)
    return torch.stack(chosen).sort().values
