"""The auxiliary loss that makes features say what is where."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust_atp.phantom.model import WIDTH
from robust_atp.phantom.training.labels import PlaceLabels
from robust_atp.phantom.world import BACKGROUNDS, COLOURS, SHAPES


class PlaceReader(nn.Module):
    """Linear heads that read off each place's features what it shows; thrown away after training."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = (len(SHAPES) + 1, len(COLOURS) + 1, len(BACKGROUNDS), 2)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, sum(self.sizes))

    def forward(self, features: Tensor, labels: PlaceLabels) -> tuple[Tensor, Tensor]:
        """Loss and shape accuracy where there are objects; features [B, P, D] of the labels' places."""
        shape, colour, background, centre = self.head(self.norm(features)).float().split(self.sizes, -1)
        on_object = labels.on_object  # [B, P]
        weight = torch.where(on_object, 1.0, 0.05)

        def classify(logits: Tensor, target: Tensor) -> Tensor:
            each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
            return (each * weight.flatten()).sum() / weight.sum()

        where = labels.background[:, None].expand(-1, features.shape[1])
        loss = (
            classify(shape, labels.shape)
            + classify(colour, labels.colour)
            + 0.3 * classify(background, where)
        )
        loss = loss + 10 * (centre - labels.centre)[on_object].square().mean()
        correct = shape[on_object][:, : len(SHAPES)].argmax(-1) == labels.shape[on_object]
        return loss, correct.float().mean()
