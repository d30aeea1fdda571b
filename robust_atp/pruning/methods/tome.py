"""ToMe at the interface: bipartite matching of what leaves the vision tower."""

from typing import ClassVar

import torch
from torch import Tensor

from robust_atp.pruning.merging import GroupMean
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant, Sample
from robust_atp.pruning.selection import ranked
from robust_atp.pruning.similarity import mean_key, unit


def tome(position_policy: str = "compacted") -> Method:
    """Merge tokens by bipartite soft matching until K are left.

    Tokens alternate between sets A and B; each of A draws an edge to the most similar of B (cosine of keys,
    mean over heads); the tokens of A with the strongest edges merge into their partners, as size-weighted
    means. A round merges at most half of what is left, so there are as many rounds as that takes.

    - ``position_policy`` compacted | original: not specified; a merged token stands where its partner
      of B stood.

    The original merges r tokens in every layer *inside* the vision transformer and weighs attention by
    token size. This is the variant that papers on vision-language models compare with: one merging of
    the tower's outputs, with the keys of the layer that is projected. The keys of merged tokens are the means
    of their members' keys. Written from the paper's formula.
    """
    return Method(
        "tome",
        "merges similar tokens after the vision tower (ToMe itself merges inside it)",
        Constant(),
        selection=Unmerged(),
        merging=GroupMean(matched),
        position_policy=position_policy,
        paper="Bolya et al., Token Merging: Your ViT But Faster, ICLR 2023, arXiv:2210.09461",
    )


class Unmerged:
    """The tokens that matching leaves."""

    needs: ClassVar[frozenset[str]] = frozenset({"keys:projected"})

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]; scores are ignored."""
        return matched(sample, count).unique()


def matched(sample: Sample, count: int) -> Tensor:
    """Which position holds each token once ``count`` are left [N]."""
    sums = mean_key(sample.signals["keys:projected"])  # [N, d]; a group's sum points where its mean does
    owner = torch.arange(sample.total, device=sums.device)
    left = owner
    while len(left) > count:
        a, b = left[::2], left[1::2]
        strength, partner = (unit(sums[a]) @ unit(sums[b]).T).max(1)
        merged = ranked(strength)[: min(len(left) - count, len(b))]
        into = b[partner[merged]]
        joins = (into == b[:, None]).float()  # [B, merged]
        sums = sums.index_copy(0, b, sums[b] + joins @ sums[a[merged]])
        moved = torch.arange(sample.total, device=sums.device).index_copy(0, a[merged], into)
        owner = moved[owner]
        left = owner.unique()
    return owner
