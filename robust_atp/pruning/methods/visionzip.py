"""VisionZip: dominant tokens by CLS attention, the rest merged into contextual ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_atp.pruning.budgets import rounded
from robust_atp.pruning.merging import members, replaced
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of, within
from robust_atp.pruning.scores import Attention, Sample
from robust_atp.pruning.selection import top_k
from robust_atp.pruning.similarity import mean_key, unit


def visionzip(
    contextual: float = 10 / 64, mixture: str = "sum", position_policy: str = "compacted"
) -> Method:
    """Keep K − C dominant tokens by CLS attention, and C = round(contextual · K) that others merge into.

    Of the tokens that are not dominant every s-th is a target, s = ⌊rest / C⌋; each of the others joins the
    target whose key (mean over heads) has the largest cosine with its own.

    - ``contextual`` 0.15625 in [0, 1]: 10 of 64, as in the paper, which has 30 of 192 and 20 of 128.
    - ``mixture`` sum | mean: target + mean of the joined, as in the released code, which about doubles
      the norm before the projector; or the mean of the target and all joined.
    - ``position_policy`` compacted | original: the released code renumbers what is kept.

    The released code also keeps the CLS token, which has no place on the grid and is left out here, so that
    K counts patches only; and it puts contextual tokens after the dominant ones, where here each stands in its
    target's place. A target that nothing joins stays what it is.
    """
    within("contextual", contextual, 0, 1)
    one_of("mixture", mixture, ("sum", "mean"))
    return Method(
        "visionzip",
        "keeps what the CLS token attends to and merges the rest by their keys",
        Attention("cls_attention:projected"),
        selection=DominantAndContextual(contextual),
        merging=JoinTargets(contextual, mixture),
        position_policy=position_policy,
        paper="Yang et al., VisionZip: Longer is Better but Not Necessary in Vision Language Models, CVPR 2025, "
        "arXiv:2412.04467",
    )


def split(scores: Tensor, count: int, contextual: float) -> tuple[Tensor, Tensor]:
    """Ascending dominant [K − C] and contextual target [C] positions."""
    targets = rounded(contextual, count)
    dominant = top_k(scores, count - targets)
    rest = (~members(dominant, len(scores))).nonzero()[:, 0]
    every = max(1, len(rest) // max(1, targets))
    return dominant, rest[::every][:targets]


@dataclass(frozen=True)
class DominantAndContextual:
    """The selection of VisionZip."""

    contextual: float

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]."""
        return torch.cat(split(scores, count, self.contextual)).sort().values


@dataclass(frozen=True)
class JoinTargets:
    """The merging of VisionZip."""

    contextual: float
    mixture: str
    needs: ClassVar[frozenset[str]] = frozenset({"keys:projected", "tower_features"})

    def __call__(self, scores: Tensor, kept: Tensor, sample: Sample) -> Tensor:
        """Merge [K, D]."""
        _, targets = split(scores, len(kept), self.contextual)
        others = (~members(kept, sample.total)).nonzero()[:, 0]
        if not len(targets):
            return sample.features[kept]
        keys = unit(mean_key(sample.signals["keys:projected"]))  # [N, d]
        nearest = (keys[others] @ keys[targets].T).argmax(1)
        joined = (nearest == torch.arange(len(targets), device=kept.device)[:, None]).float()  # [C, others]
        joined_by = joined.sum(1)
        targets, joined, number = (
            targets[joined_by > 0],
            joined[joined_by > 0],
            joined_by[joined_by > 0, None],
        )
        tower = sample.signals["tower_features"].float()
        joining = joined @ tower[others]  # [C, width]
        mixed = tower[targets] + joining / number
        if self.mixture == "mean":
            mixed = (tower[targets] + joining) / (1 + number)
        return replaced(sample, kept, members(targets, sample.total)[kept], mixed)
