"""ATP-LLaVA: attention and a nested grid against thresholds that are learned for every instance and layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.backbones.seam import Backbone
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.inside import InsideDecoder, Powers, Table, cuts_at
from robust_atp.pruning.learned_thresholds import (
    ThresholdHead,
    attention_from_text,
    attention_from_vision,
    margins,
    spatial_scores,
)
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import text
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.trained import OwnWeights, load_weights

NAME = "atp-llava"
AFTER = (4, 14, 24)  # of 32 layers


@dataclass(frozen=True, eq=False)
class Shift:
    """What all thresholds are raised by, so that a given share of tokens stays on average.

    Row r of the calibration: at ``offsets[r]`` the shares ``shares[r]`` stayed after each cut, on held-out images.
    """

    offsets: tuple[float, ...]  # descending
    shares: tuple[tuple[float, ...], ...]  # ascending, [rows][cuts]

    def __call__(self, cut: int, share: float) -> float:
        """Straight lines between the rows."""
        return float(np.interp(share, [row[cut] for row in self.shares], self.offsets))

    @property
    def table(self) -> Table:
        """Shares after each cut from a nominal budget, which is their mean."""
        return Table(tuple((sum(row) / len(row), row) for row in self.shares if sum(row) < len(row)))


@dataclass(frozen=True, eq=False)
class LearnedThresholds:
    """Keeps tokens that are above one of the prompt's own thresholds by more than a shift that is the same for all.

    ``heads`` are found by the layers passed. At least one token stays, the one that is nearest to staying.
    """

    heads: Mapping[int, ThresholdHead]
    shift: Shift

    def __call__(self, view: View, count: int) -> Survivors:
        """Choose ``count`` tokens on average over prompts."""
        margin = self.margins(view)
        if margin.isnan().any():
            raise ValueError(f"{int(margin.isnan().sum())} of {len(margin)} token scores are nan")
        total = view.prompt_visual.stop - view.prompt_visual.start
        kept = margin > self.shift(list(self.heads).index(view.depth), count / total)
        if not kept.any():
            kept[margin.argmax()] = True
        return Survivors(kept.nonzero()[:, 0])

    def margins(self, view: View) -> Tensor:
        """Margins of the visual tokens left [n], from the attention of the layer just passed."""
        assert view.grid is not None
        among = view.attention(view.visual).mean(0)[:, view.visual]  # [n, n]
        asking = view.attention(view.text).mean(0)[:, view.visual]  # [R, n]
        alive = torch.ones(len(among), dtype=torch.bool, device=among.device)
        asked = torch.ones(len(asking), dtype=torch.bool, device=among.device)
        return margins(
            self.heads[view.depth],
            attention_from_vision(among, alive),
            attention_from_text(asking, asked),
            spatial_scores(view.places, view.grid),
            alive,
        )


def atp_llava(weights: str = "", position_policy: str = "original") -> Method:
    """Cut after layers 4, 14 and 24 of 32, as many tokens as stand above the prompt's own thresholds.

    After a cut layer token i stays if ``S_red(i) > θ_r`` or ``S_spat(i) > θ_s``. ``S_red`` is the mean of two kinds
    of attention received, from visual tokens and from the text after the image; ``S_spat`` rises with the
    coarseness of the grid that i stands on; the thresholds are a small network's answer to how the attention is
    spread. See ``learned_thresholds`` for the formulas, ``phantom.training`` for the loss.

    The nominal budget is the share that stays, mean over the cuts and over prompts: all thresholds are shifted by
    what reached it on held-out images (``Shift``), 0 at the budget of the training. A single prompt gets what it
    asks for, and under corruption the mean moves too; the records hold what was realised.

    - ``weights``: file of thresholds trained for the backbone; by default those shipped for the phantoms. Weights
      for LLaVA-1.5-7B are not public.
    - ``position_policy`` original | compacted: the paper keeps positions.

    No official code exists, and the paper was not at hand: equations are those that a re-implementation cites. Where
    they leave a choice, attention is softmax attention received, mean over heads, min-max normalised per prompt
    (logits, as there, do not fit thresholds within (0, 1)); a token's visual attention is divided by the number of
    queries that can see it; grids are nested; layers are counted from 1; scores are taken among the tokens left.
    """
    text("weights", weights)

    def install(method: Method, backbone: Backbone) -> Method:
        layers = backbone.shape.layers
        heads, shift = unpack(load_weights(NAME, backbone, weights), layers)
        inside = InsideDecoder(
            tuple(heads),
            shift.table,
            LearnedThresholds(heads, shift),
            published_layers=layers,
            adaptive=True,
        )
        return replace(method, inside=inside)

    inside = InsideDecoder(AFTER, Powers(len(AFTER)), _without_weights, adaptive=True)
    return Method(
        NAME,
        "inside the decoder, keeps what is above thresholds learned for every instance and layer (ATP-LLaVA)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        install=install,
        paper="Ye et al., ATP-LLaVA: Adaptive Token Pruning for Large Vision Language Models, CVPR 2025, "
        "arXiv:2412.00447",
    )


def heads_for(layers: int) -> dict[int, ThresholdHead]:
    """Untrained thresholds for a decoder of so many layers, by the layers passed at each cut."""
    return {depth: ThresholdHead() for depth in cuts_at(AFTER, 32, layers)}


def pack(heads: Mapping[int, ThresholdHead], shift: Shift) -> dict[str, Tensor]:
    """Tensors by name, for a file of weights."""
    tensors = {
        f"{depth}.{name}": tensor
        for depth, head in heads.items()
        for name, tensor in head.state_dict().items()
    }
    calibration = {"offsets": shift.offsets, "shares": shift.shares}
    return tensors | {name: torch.tensor(values, dtype=torch.float64) for name, values in calibration.items()}


def unpack(weights: OwnWeights, layers: int) -> tuple[dict[int, ThresholdHead], Shift]:
    """Undo ``pack`` for a decoder of so many layers."""
    heads = heads_for(layers)
    for depth, head in heads.items():
        head.load_state_dict({name: weights.tensors[f"{depth}.{name}"] for name in head.state_dict()})
    rows = weights.tensors["shares"].tolist()
    return heads, Shift(tuple(weights.tensors["offsets"].tolist()), tuple(tuple(row) for row in rows))


def _without_weights(view: View, count: int) -> Survivors:
    raise ValueError(f"{NAME} has no weights yet: Method.on(backbone) loads them")
