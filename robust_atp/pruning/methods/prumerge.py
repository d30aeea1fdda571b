"""LLaVA-PruMerge: outliers of CLS attention, each merged with its neighbours in key space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.merging import members, replaced
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of, whole_within, within
from robust_atp.pruning.scores import Attention, Sample
from robust_atp.pruning.selection import ranked, top_k
from robust_atp.pruning.similarity import unit, wide_key

PAPER = "Shang et al., LLaVA-PruMerge: Adaptive Token Reduction for Efficient Large Multimodal Models, ICCV 2025, "
PAPER += "arXiv:2403.15388"


def prumerge(
    budget: str = "adaptive",
    whiskers: float = 1.5,
    neighbours: int = 32,
    candidates: str = "all",
    summary: bool = True,
    position_policy: str = "compacted",
) -> Method:
    """Keep tokens whose CLS attention is an outlier, ``a > Q3 + 1.5 (Q3 − Q1)``, and merge others into them.

    A kept token i becomes ``x_i + Σ_j a_j x_j`` over its nearest tokens j by cosine of keys; one more token
    is ``Σ_j a_j x_j`` over all that are not kept. Keys and attention are of the last layer, x of the layer that
    is projected, and attention is that of a single head as wide as the model, as in the released code.

    - ``budget`` adaptive | fixed: K is the number of outliers and differs between images, whatever ``keep``
      below 1 says; or K = round(keep · N) by rank. No outlier counts as one.
    - ``whiskers`` 1.5 in [0, 100]: the factor of the interquartile range (quantiles interpolate linearly).
    - ``neighbours`` 32 from 0 (no merging): tokens merged into each kept one, fewer where there are fewer.
    - ``candidates`` all | dropped: neighbours may be kept tokens, as in the released code, or only others.
    - ``summary`` true | false: the one more token. It is among the K of a fixed budget from 2 on, and stands in the
      place of the strongest token that is not kept.
    - ``position_policy`` compacted | original: the released code renumbers what is kept.

    Tokens stay in raster order; in the released code they come in order of attention, the summary last.
    If nothing is dropped nothing is merged. Published accuracies are mostly of fine-tuned models.
    """
    within("whiskers", whiskers, 0, 100)
    one_of("budget", budget, ("adaptive", "fixed"))
    centres = Attended(summary)
    return Method(
        "prumerge",
        "keeps outliers of CLS attention, merged with tokens of similar keys",
        WIDE_HEAD,
        budget=FixedRatio() if budget == "fixed" else Adaptive(lambda s: outliers(s, whiskers), int(summary)),
        selection=WithSummary(centres),
        merging=neighbour_sums(centres, neighbours, candidates),
        position_policy=position_policy,
        paper=PAPER,
    )


WIDE_HEAD = Attention("single_head_cls_attention:last")

# Kept tokens but for the summary, [K] or [K − 1], from scores [N] and K.
Centres = Callable[[Tensor, int], Tensor]


def outliers(scores: Tensor, whiskers: float) -> int:
    """Return how many scores lie above the upper whisker of a box plot, at least 1."""
    low, high = torch.quantile(scores.float(), scores.new_tensor([0.25, 0.75], dtype=torch.float32))
    return max(1, int((scores > high + whiskers * (high - low)).sum()))


@dataclass(frozen=True)
class Adaptive:
    """K = ``number`` of the scores and ``more``, whatever ``keep`` says, except that 1 is the unpruned model."""

    number: Callable[[Tensor], int]
    more: int

    def __call__(self, scores: Tensor, keep: float, sample: Sample | None = None) -> int:
        """Return K of this sample."""
        return len(scores) if keep == 1 else min(self.number(scores) + self.more, len(scores))


@dataclass(frozen=True)
class Attended:
    """The tokens with the largest scores, leaving one place for a summary where K allows it."""

    summary: bool

    def __call__(self, scores: Tensor, count: int) -> Tensor:
        """Choose ascending indices."""
        return top_k(scores, count - room_for_summary(self.summary, count, len(scores)))


def room_for_summary(summary: bool, count: int, total: int) -> int:
    """1 if there is a summary: of something, and beside something."""
    return int(summary and 1 < count < total)


@dataclass(frozen=True)
class WithSummary:
    """The centres, and the best of the rest as the summary's place if they leave one."""

    centres: Centres

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]."""
        centres = self.centres(scores, count)
        rest = scores.float().index_fill(0, centres, -torch.inf)
        return torch.cat([centres, ranked(rest)[: count - len(centres)]]).sort().values


def neighbour_sums(centres: Centres, neighbours: int, candidates: str) -> "NeighbourSums":
    """Check the options and build the merging."""
    whole_within("neighbours", neighbours, 0, 4096)
    one_of("candidates", candidates, ("all", "dropped"))
    return NeighbourSums(centres, neighbours, candidates == "dropped")


@dataclass(frozen=True)
class NeighbourSums:
    """The merging of LLaVA-PruMerge; scores are the weights."""

    centres: Centres
    neighbours: int
    only_dropped: bool
    needs: ClassVar[frozenset[str]] = frozenset({"keys:last", "tower_features"})

    def __call__(self, scores: Tensor, kept: Tensor, sample: Sample) -> Tensor:
        """Merge [K, D]."""
        centres = self.centres(scores, len(kept))
        is_centre = members(centres, sample.total)
        tower = sample.signals["tower_features"].float()
        mixed = tower.clone()
        nearest = self._nearest(unit(wide_key(sample.signals["keys:last"])), centres, is_centre)
        mixed[centres] += (scores[nearest][..., None] * tower[nearest]).sum(1)
        summary = kept[~is_centre[kept]]
        mixed[summary] = scores[~is_centre] @ tower[~is_centre]
        changed = ~is_centre[kept] if nearest.shape[1] == 0 else torch.ones_like(kept, dtype=torch.bool)
        return replaced(sample, kept, changed, mixed[kept[changed]])

    def _nearest(self, keys: Tensor, centres: Tensor, is_centre: Tensor) -> Tensor:
        """Nearest tokens of each centre, itself left out [centres, neighbours]."""
        likeness = keys[centres] @ keys.T
        excluded = (
            is_centre.expand_as(likeness)
            if self.only_dropped
            else centres[:, None] == torch.arange(len(keys), device=keys.device)
        )
        order = likeness.masked_fill(excluded, -torch.inf).sort(descending=True, stable=True).indices
        available = len(keys) - int(excluded[0].sum())
        return order[:, : min(self.neighbours, available)]
