"""VisPruner: half by CLS attention, half by weeding near-duplicates out of the rest."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_atp.pruning.budgets import truncated
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import whole_within, within
from robust_atp.pruning.scores import Attention, Sample
from robust_atp.pruning.selection import ranked
from robust_atp.pruning.similarity import unit


def vispruner(important: float = 0.5, step: int = 8, position_policy: str = "compacted") -> Method:
    """Keep ⌊important · K⌋ tokens by CLS attention and fill up to K with diverse ones.

    The rest, in order of attention, is split again and again into even and odd ranks, and of the even ones
    the ``step`` that are most like some odd one (cosine before the projector) are dropped, until as many
    are left as wanted.

    - ``important`` 0.5 in [0, 1]: the share r of tokens kept for their attention.
    - ``step`` 8 from 1: tokens dropped per round.
    - ``position_policy`` compacted | original: the released code renumbers what is kept.

    With an odd rest the released code stops with an error; here the even ranks have one more. Of equally
    similar tokens the one with less attention goes first.
    """
    within("important", important, 0, 1)
    whole_within("step", step, 1, 1024)
    return Method(
        "vispruner",
        "keeps what the CLS token attends to, and of the rest what is least alike",
        Attention("cls_attention:projected"),
        selection=ImportantAndDiverse(important, step),
        position_policy=position_policy,
        paper="Zhang et al., Beyond Text-Visual Attention: Exploiting Visual Cues for Effective Token Pruning "
        "in VLMs (VisPruner), ICCV 2025, arXiv:2412.01818",
    )


@dataclass(frozen=True)
class ImportantAndDiverse:
    """The selection of VisPruner."""

    important: float
    step: int
    needs: ClassVar[frozenset[str]] = frozenset({"tower_features"})

    def __call__(self, scores: Tensor, count: int, sample: Sample) -> Tensor:
        """Choose ascending indices [K]."""
        order = ranked(scores)
        first = truncated(self.important, count)
        pool = order[first:]
        vectors = unit(sample.signals["tower_features"])
        while len(pool) > count - first > 0:
            pool = self._without_duplicates(pool, vectors, len(pool) - (count - first))
        return torch.cat([order[:first], pool[: count - first]]).sort().values

    def _without_duplicates(self, pool: Tensor, vectors: Tensor, excess: int) -> Tensor:
        even, odd = pool[::2], pool[1::2]
        likeness = (vectors[even] @ vectors[odd].T).amax(1)
        dropped = likeness.flip(0).sort(descending=True, stable=True).indices[: min(self.step, excess)]
        stays = torch.ones(len(pool), dtype=torch.bool, device=pool.device)
        stays[2 * (len(even) - 1 - dropped)] = False  # flipped: among equals the last rank is dropped
        return pool[stays]
