"""LLaVA-PruMerge+: outliers of CLS attention and a regular grid, merged with their neighbours."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_atp.pruning.budgets import FixedRatio, rounded
from robust_atp.pruning.merging import members
from robust_atp.pruning.method import Method
from robust_atp.pruning.methods.prumerge import (
    PAPER,
    WIDE_HEAD,
    Adaptive,
    Centres,
    WithSummary,
    neighbour_sums,
    outliers,
    room_for_summary,
)
from robust_atp.pruning.options import one_of, within
from robust_atp.pruning.selection import top_k


def prumerge_plus(
    budget: str = "adaptive",
    whiskers: float = 1.5,
    attended: float = 0.25,
    neighbours: int = 32,
    candidates: str = "all",
    summary: bool = True,
    position_policy: str = "compacted",
) -> Method:
    """Keep outliers of CLS attention and about three times as many evenly spaced tokens, merged as in PruMerge.

    With m outliers among N tokens every ``max(1, ⌊⌊N / m⌋ / 3⌋)``-th token in raster order is kept too.

    - ``budget`` adaptive | fixed: as above, whatever ``keep`` below 1 says; or K = round(keep · N), of which
      round(``attended`` · K) by rank and the others evenly spaced among the rest.
    - ``attended`` 0.25 in [0, 1]: the share by rank of a fixed budget (the adaptive one has about a quarter).
    - ``whiskers``, ``neighbours``, ``candidates``, ``summary``, ``position_policy``: as for ``prumerge``.

    No index is kept twice. More than N / 6 outliers make every token stay (all but one in the released code,
    which also stops with an error if there are none).
    """
    within("whiskers", whiskers, 0, 100)
    within("attended", attended, 0, 1)
    one_of("budget", budget, ("adaptive", "fixed"))
    one_of("summary", summary, (True, False))
    adaptive = budget == "adaptive"
    centres: Centres = OutliersAndGrid(whiskers) if adaptive else AttendedAndSpaced(attended, summary)
    return Method(
        "prumerge-plus",
        "keeps outliers of CLS attention and a regular grid, merged with tokens of similar keys",
        WIDE_HEAD,
        budget=Adaptive(lambda s: len(with_grid(s, whiskers)), int(summary)) if adaptive else FixedRatio(),
        selection=WithSummary(centres),
        merging=neighbour_sums(centres, neighbours, candidates),
        position_policy=position_policy,
        paper=PAPER,
    )


def with_grid(scores: Tensor, whiskers: float) -> Tensor:
    """Ascending indices of the outliers and of every s-th token."""
    number, total = outliers(scores, whiskers), len(scores)
    spaced = torch.arange(0, total, max(1, total // number // 3), device=scores.device)
    return torch.cat([top_k(scores, number), spaced]).unique()


@dataclass(frozen=True)
class OutliersAndGrid:
    """Centres of the adaptive budget; all tokens if that many are asked for."""

    whiskers: float

    def __call__(self, scores: Tensor, count: int) -> Tensor:
        """Choose ascending indices."""
        return top_k(scores, count) if count == len(scores) else with_grid(scores, self.whiskers)


@dataclass(frozen=True)
class AttendedAndSpaced:
    """Centres of a fixed budget: some by rank, the others evenly spaced among the rest in raster order."""

    attended: float
    summary: bool

    def __call__(self, scores: Tensor, count: int) -> Tensor:
        """Choose ascending indices."""
        count -= room_for_summary(self.summary, count, len(scores))
        best = top_k(scores, rounded(self.attended, count))
        rest = (~members(best, len(scores))).nonzero()[:, 0]
        wanted = count - len(best)
        places = torch.arange(wanted, device=rest.device) * len(rest) // max(1, wanted)
        return torch.cat([best, rest[places]]).sort().values
