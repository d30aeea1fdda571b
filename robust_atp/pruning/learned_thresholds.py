"""ATP-LLaVA's scores and learned thresholds: the same tensors in training, over a batch, and in inference."""

import torch
from torch import Tensor, nn

# Strides of the nested uniform grids, the finest first, and λ_sample of Eq. 5.
STRIDES = (2, 4, 8)
SAMPLE_WEIGHT = 3.0


class ThresholdHead(nn.Module):
    """Thresholds of one layer from how its scores are spread: Eq. 6-8.

    ``z = GELU(W [mean S_self; mean S_cross])``, ``θ_r = sigmoid(w_r z)``, ``θ_s = sigmoid(w_s z)``, with biases.
    GELU is ours, after a survey's "MLP with dual prediction heads": without it ``W`` and ``w`` are one affine map.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, width)
        self.heads = nn.Linear(width, 2)

    def forward(self, self_score: Tensor, cross_score: Tensor) -> Tensor:
        """Thresholds θ_r, θ_s in (0, 1) [..., 2] from the mean scores [...]."""
        # Two numbers a prompt: they come to the network, wherever the decoder is.
        spread = torch.stack([self_score, cross_score], -1).to(self.hidden.weight)
        return self.heads(nn.functional.gelu(self.hidden(spread))).sigmoid().to(self_score.device)


def margins(
    head: ThresholdHead, self_score: Tensor, cross_score: Tensor, spatial: Tensor, alive: Tensor
) -> Tensor:
    """By how much each token is above the threshold that it is most above of [..., n].

    ``max(S_red - θ_r, S_spat - θ_s)``, ``S_red = (S_self + S_cross) / 2``, each min-max normalised first over the
    tokens that are ``alive``. A token stays where this is positive, which is the "or" of the two comparisons.
    """
    scores = [_min_max(score, alive) for score in (self_score, cross_score)]
    means = [(score * alive).sum(-1) / alive.sum(-1) for score in scores]
    thresholds = head(*means)  # [..., 2]
    redundancy = (scores[0] + scores[1]) / 2
    return torch.maximum(redundancy - thresholds[..., :1], spatial - thresholds[..., 1:])


def attention_from_vision(attention: Tensor, alive: Tensor) -> Tensor:
    """S_self: mean attention that each visual token receives from the ``alive`` ones that can see it [..., n].

    ``attention`` [..., n, n] is causal: token i is seen by n - i of them, and a plain mean would favour the first.
    """
    seen_by = alive.flip(-1).cumsum(-1).flip(-1).clamp(min=1)
    return (attention * alive[..., None]).sum(-2) / seen_by


def attention_from_text(attention: Tensor, asked: Tensor) -> Tensor:
    """S_cross: mean attention that each visual token receives from the R text tokens that are ``asked`` [..., n]."""
    return (attention * asked[..., None]).sum(-2) / asked.sum(-1, keepdim=True)


def spatial_scores(places: Tensor, grid: tuple[int, int]) -> Tensor:
    """S_spat of tokens at ``places`` (in raster order) of a grid of rows and columns [n].

    Eq. 5 on nested grids: ``1 - 3 R`` of the coarsest grid that holds the token, R = 1/s² its sampling rate, else 0.
    With strides 2, 4 and 8 that is 0.25, 0.81 and 0.95: θ_s selects a density. On one grid, as the equation stands,
    all sampled tokens would be equal and θ_s would keep all or none.
    """
    row, column = places // grid[1], places % grid[1]
    scores = torch.zeros(places.shape, device=places.device)
    for stride in STRIDES:
        scores[(row % stride == 0) & (column % stride == 0)] = 1 - SAMPLE_WEIGHT / stride**2
    return scores


def _min_max(scores: Tensor, alive: Tensor) -> Tensor:
    """``(s - min) / (max - min)`` over the tokens alive; 0 where these are all equal."""
    low = scores.masked_fill(~alive, torch.inf).amin(-1, keepdim=True)
    high = scores.masked_fill(~alive, -torch.inf).amax(-1, keepdim=True)
    return torch.where(high == low, 0.0, (scores - low) / torch.where(high == low, 1.0, high - low))
