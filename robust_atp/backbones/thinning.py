"""Patches on their way through a vision tower's layers, losing some between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from robust_atp.backbones.attention import attention_of_first_token
from robust_atp.backbones.seam import Thinned
from robust_atp.errors import UserError


@dataclass(frozen=True)
class TowerView:
    """What a rule may look at: one image between two layers, n patches left of it."""

    hidden: Tensor  # [T, D]: CLS, patches, packages
    left: int  # n
    coming: nn.Module
    """The layer that comes next. It exists even where the tower is left here: see ``pass_thinned``."""

    @property
    def heads(self) -> int:
        """Attention heads H of the tower."""
        attention: Any = self.coming.get_submodule("self_attn")
        return attention.num_heads

    @property
    def patches(self) -> Tensor:
        """Hidden states of the patches that are left [n, D]."""
        return self.hidden[1 : 1 + self.left]

    def cls_attention(self) -> Tensor:
        """Softmax attention of CLS to each patch in the coming layer, were nothing dropped: float32 [H, n]."""
        attention: Any = self.coming.get_submodule("self_attn")
        normed = self.coming.get_submodule("layer_norm1")(self.hidden)
        query, key = (
            attention.get_submodule(f"{kind}_proj")(rows).unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for kind, rows in (("q", normed[:1]), ("k", normed))
        )
        return attention_of_first_token(query[None], key[None], attention.scale)[0, :, : self.left]


@dataclass(frozen=True)
class Parting:
    """Which of n patches go on, and how much each weighs in a package if it does not."""

    kept: Tensor  # [K], ascending, counted among the patches that were left
    weights: Tensor  # float32 [n], not negative


class TowerRule(Protocol):
    """Chooses ``count`` of the patches of one image; called only if there are more."""

    def __call__(self, view: TowerView, count: int) -> Parting:
        """Choose."""


@dataclass(frozen=True)
class Thinning:
    """How images lose patches inside a vision tower; CLS always stays.

    ``cuts`` holds (layers passed, patches that stay), ascending in the first and not ascending in the second;
    layers are counted from 1. ``rules`` chooses, one for each cut. If ``packaged``, what is dropped goes on as one
    token, the mean weighted as the rules say, which grows with every cut. It follows the patches, is never dropped,
    and if ``projected`` leaves the tower with them.
    """

    cuts: tuple[tuple[int, int], ...]
    rules: tuple[TowerRule, ...]
    packaged: bool = True
    projected: bool = True


def pass_thinned(
    layers: Sequence[nn.Module], hidden: Tensor, thinning: Thinning, depth: int
) -> tuple[Tensor, list[Thinned], list[int]]:
    """Send embedded images [B, 1 + N, D] through the first ``depth`` layers of a CLIP tower.

    Returns what goes to the projector [B, K + M, D], patches in raster order and then the package; what became of
    the rest of each image; and the tokens that each layer processed. A cut after ``depth`` layers spares the
    tower nothing, only what follows it. ``UserError`` if a cut lies deeper, or no layer comes after it.
    """
    _check_depths(thinning, min(depth, len(layers) - 1))
    cuts = {
        passed: (count, rule) for (passed, count), rule in zip(thinning.cuts, thinning.rules, strict=True)
    }
    images = [_Image(hidden.shape[1] - 1, thinning.packaged, hidden.device) for _ in hidden]
    tokens_per_layer: list[int] = []
    for passed in range(1, depth + 1):
        tokens_per_layer.append(hidden.shape[1])
        hidden = layers[passed - 1](hidden, None)
        if passed in cuts:
            rows = [
                image.part(row, layers[passed], *cuts[passed])
                for image, row in zip(images, hidden, strict=True)
            ]
            hidden = torch.stack(rows)
    end = None if thinning.projected else 1 + len(images[0].places)
    return hidden[:, 1:end], [image.thinned(thinning.projected) for image in images], tokens_per_layer


def inner_tower(tower: nn.Module) -> Any:
    """Return the module that holds a CLIP tower's layers: early transformers 5 wrap it in a ``CLIPVisionModel``."""
    return getattr(tower, "vision_model", tower)


def embed_pixels(tower: nn.Module, pixels: Tensor) -> Tensor:
    """What enters a CLIP tower's first layer [B, 1 + N, D]; positions are interpolated for images of another size."""
    inner = inner_tower(tower)
    return inner.pre_layrnorm(inner.embeddings(pixels, interpolate_pos_encoding=True))


class _Image:
    """Where the patches of one image lie, and what its package holds."""

    def __init__(self, total: int, packaged: bool, device: torch.device) -> None:
        self.total = total
        self.packaged = packaged
        self.places = torch.arange(total, device=device)
        self.stages: list[Tensor] = []
        self.weight = 0.0  # of the package
        self.heaviest = 0.0
        self.made_at: list[int] = []

    def part(self, row: Tensor, coming: nn.Module, count: int, rule: TowerRule) -> Tensor:
        """Tokens of the image after a cut: CLS, ``count`` patches, package."""
        left = len(self.places)
        if count < left:
            parting = rule(TowerView(row, left, coming), count)
            package = self._package(row, parting) if self.packaged else row[:0]
            row = torch.cat([row[:1], row[1 + parting.kept], package])
            self.places = self.places[parting.kept]
        self.stages.append(self.places)
        return row

    def thinned(self, projected: bool) -> Thinned:
        """What became of the image."""
        made_at = self.made_at if projected else []
        return Thinned(
            tuple(self.stages), torch.tensor(made_at, dtype=torch.long, device=self.places.device), self.total
        )

    def _package(self, row: Tensor, parting: Parting) -> Tensor:
        """Mean of all that was ever dropped [1, D]: its weight so far counts, not what it scored last."""
        left = len(self.places)
        dropped = torch.ones(left, dtype=torch.bool, device=row.device).index_fill(0, parting.kept, False)
        weights = parting.weights[dropped]
        weights = weights if weights.sum() > 0 else torch.ones_like(weights)
        mixture = weights @ row[1 : 1 + left][dropped].float()  # [D]
        if self.made_at:
            mixture = mixture + self.weight * row[-1].float()
        self.weight += float(weights.sum())
        heaviest = int(weights.argmax())
        if weights[heaviest] > self.heaviest:
            self.heaviest = float(weights[heaviest])
            self.made_at = [int(self.places[dropped][heaviest])]
        return (mixture / self.weight)[None].to(row.dtype)


def _check_depths(thinning: Thinning, deepest: int) -> None:
    depths = [depth for depth, _ in thinning.cuts]
    if not depths or depths != sorted(set(depths)) or not 1 <= depths[0] <= depths[-1] <= deepest:
        raise UserError(
            f"cuts inside this vision tower must be ascending and within 1..{deepest}; got {depths}"
        )
