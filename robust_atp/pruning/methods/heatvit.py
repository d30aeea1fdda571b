"""HeatViT: selectors inside the vision tower, and what drops packed into one token."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from robust_atp.backbones.seam import Backbone
from robust_atp.backbones.thinning import Parting, TowerView
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k
from robust_atp.pruning.token_selector import build_selectors
from robust_atp.pruning.tower import InsideTower
from robust_atp.pruning.trained import load_weights

NAME = "heatvit"
_PAPER = (
    "Dong et al., HeatViT: Hardware-Efficient Adaptive Token Pruning for Vision Transformers, HPCA 2023, "
    "arXiv:2211.08110"
)


@dataclass(frozen=True)
class Learned:
    """Top K by the probability of being kept that a trained selector gives."""

    selector: nn.Module

    def __call__(self, view: TowerView, count: int) -> Parting:
        """Score what is left."""
        selector = self.selector.to(view.hidden.device)
        scores = selector(view.patches, torch.ones(view.left, device=view.hidden.device))
        return Parting(top_k(scores, count), scores)


@dataclass(frozen=True)
class HeadWeightedAttention:
    """Top K by CLS attention in the coming layer, heads weighted as in HeatViT's selector without what is learned.

    ``Σ_i a_i A_i / Σ_i a_i`` with A_i the attention that CLS pays the patch in head i and a_i the sigmoid of the
    mean of the patch's channels in that head.
    """

    def __call__(self, view: TowerView, count: int) -> Parting:
        """Score what is left."""
        weights = view.patches.float().unflatten(-1, (view.heads, -1)).mean(-1).sigmoid().T  # [H, n]
        scores = (weights * view.cls_attention()).sum(0) / weights.sum(0)
        return Parting(top_k(scores, count), scores)


def heatvit(weights: str = "", package: str = "projected", position_policy: str = "compacted") -> Method:
    """Drop patches before the blocks at ¼, ½ and ¾ of a CLIP tower's depth, by selectors that are trained.

    Each selector gives patches a probability of being kept, see ``TokenSelector``. Trained, the
    paper's keep those above one half, as many as the image asks for. For budgets to match, we keep the top K: the
    study's ``keep`` is the share of tokens that leave the tower, and every selector lets the same share go on.

    - ``weights`` a file; by default what ships for the backbone. None is public for a CLIP tower.
    - ``package`` projected | inside | none: dropped patches become one token, their mean weighted by their
      probabilities, into which those of later stages go too. It is never dropped. It goes on to the projector,
      as the last token, and counts as one of the K; or stays in the tower; or there is none.
    - ``position_policy`` compacted | original: not specified. A package takes the position of the patch that
      weighs most in it.

    CLS always stays. LLaVA-1.5 is cut after layers 6, 12 and 18 of 24. Shallower towers are cut at the same fractions
    of their depth: the phantom's after 1, 2 and 3 of 4, where the third is the one that is projected, so that
    the last cut spares the projector and the decoder, but no layer of the tower.
    """

    def install(method: Method, backbone: Backbone) -> Method:
        assert backbone.tower is not None  # see Method.check
        depths = untrained.depths(backbone.tower)
        selectors = build_selectors(backbone.tower, depths)
        selectors.load_state_dict(dict(load_weights(NAME, backbone, weights).tensors))
        rules = tuple(Learned(selectors[str(depth)]) for depth in depths)
        return replace(method, tower=replace(untrained, rules=rules))

    untrained = InsideTower((_without_weights,) * 3, package)
    return Method(
        NAME,
        "inside the vision tower, keeps what trained selectors let pass and packs the rest into one token (HeatViT)",
        Constant(),
        budget=Everything(),
        tower=untrained,
        placement=untrained.placement,
        position_policy=position_policy,
        install=install,
        paper=_PAPER,
    )


def heatvit_free(package: str = "projected", position_policy: str = "compacted") -> Method:
    """Stand-in for HeatViT without training, ours: the same cuts and package, scores by CLS attention.

    A control for what the trained selectors are worth, and what there is where they are not. See ``heatvit`` for
    the options.
    """
    tower = InsideTower((HeadWeightedAttention(),) * 3, package)
    return Method(
        "heatvit-free",
        "inside the vision tower, keeps what the CLS token attends to and packs the rest (ours: HeatViT untrained)",
        Constant(),
        budget=Everything(),
        tower=tower,
        placement=tower.placement,
        position_policy=position_policy,
        paper=f"control for {_PAPER}",
    )


def _without_weights(view: TowerView, count: int) -> Parting:
    raise ValueError(f"{NAME} has no weights yet: Method.on(backbone) loads them")
