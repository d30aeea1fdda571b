"""A pruning method is a composition: score, budget, selection, merging, position policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.seam import Backbone, KeptTokens, ThinsTower, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning
from robust_atp.errors import UserError
from robust_atp.pruning.budgets import Budget, FixedRatio
from robust_atp.pruning.inside import InsideDecoder
from robust_atp.pruning.keeping import keep_thinned
from robust_atp.pruning.merging import Merging
from robust_atp.pruning.options import POSITION_POLICIES, one_of
from robust_atp.pruning.scores import Sample, Score
from robust_atp.pruning.selection import Selection, top_k
from robust_atp.pruning.tower import TowerPlan


@dataclass(frozen=True)
class Method:
    """A pruning method: it cuts between vision tower and decoder, ``inside`` the decoder, or inside the ``tower``.

    ``summary`` is one line for listings, ``paper`` a citation or "" for a baseline, ``placement`` where it
    cuts. ``position_policy`` says which position ids kept tokens and the text after them get: ``compacted``
    (renumbered without gaps) or ``original``. ``install`` gives a trained method its own weights for a backbone;
    until then it can be described, but cannot prune.

    ``needs_grid`` says that it goes by where tokens lie on their grid. Each of an image's views is pruned on its
    own, with the same nominal share.

    With ``merging``, what is kept are the positions whose tokens survive; their features may hold
    a share of tokens that do not.
    """

    name: str
    summary: str
    score: Score
    budget: Budget = field(default_factory=FixedRatio)
    selection: Selection = top_k
    merging: Merging | None = None
    position_policy: str = "compacted"
    paper: str = ""
    placement: str = "before the language model"
    inside: InsideDecoder | None = None
    needs_grid: bool = False
    tower: TowerPlan | None = None
    install: "Callable[[Method, Backbone], Method] | None" = None

    def __post_init__(self) -> None:
        one_of("position_policy", self.position_policy, POSITION_POLICIES)

    @property
    def trained(self) -> bool:
        """Whether it has weights of its own."""
        return self.install is not None

    @property
    def needs(self) -> frozenset[str]:
        """Signals that ``Backbone.encode`` must be asked for."""
        parts = (self.score, self.budget, self.selection, self.merging, self.inside and self.inside.budget)
        return frozenset[str]().union(*(getattr(part, "needs", frozenset()) for part in parts))

    @property
    def needs_text(self) -> bool:
        """Whether ``prune`` needs the questions' embeddings."""
        return self.score.needs_text

    def on(self, backbone: Backbone) -> "Method":
        """Return the method ready for ``backbone``.

        ``UserError`` if the backbone does not ``check`` or a trained method has no weights for it.
        """
        self.check(backbone.capabilities)
        return self if self.install is None else self.install(self, backbone)

    def check(self, backbone: Capabilities) -> None:
        """Raise ``UserError`` if a backbone lacks a signal, the text tower or the kind of decoder that this needs."""
        who = f"pruner '{self.name}' on backbone {backbone.title}"
        if self.needs_text and not backbone.has_text_tower:
            reason = backbone.why_without("joint_patches")
            raise UserError(f"{who} compares patches with the question and needs a CLIP text tower: {reason}")
        missing = sorted(self.needs - backbone.provides)
        if missing:
            raise UserError(f"{who} needs signal '{missing[0]}': {backbone.why_without(missing[0])}")
        if self.needs_grid and not backbone.has_grid:
            raise UserError(
                f"{who} goes by places on a grid: {backbone.lacking.get('grid', 'there is none')}"
            )
        if self.inside is not None and not backbone.drops_inside:
            raise UserError(
                f"{who} cuts inside the decoder: {backbone.lacking.get('inside', 'not possible')}"
            )
        if self.tower is not None and not backbone.thins_tower:
            raise UserError(
                f"{who} cuts {self.placement}: that has to be CLIP's, run once for an image, "
                "with one layer that is projected"
            )
        # Nothing is missing from an unpruned sequence, so both policies number it alike.
        renumbers = self.position_policy != "original" or self.name == "none"
        if not (renumbers or backbone.keeps_positions):
            raise UserError(f"{who} cannot have position policy original: {backbone.lacking['original']}")

    def prune(
        self,
        tokens: Sequence[VisionTokens],
        image_of: Sequence[int],
        text: Tensor | None,
        keep: float | Sequence[float],
        seed: int,
        keys: Sequence[str],
    ) -> KeptTokens:
        """Prune for Q questions: ``image_of[q]`` is the number of its image, ``text`` the embeddings [Q, J].

        ``keep`` in (0, 1] is the nominal share of tokens, one for all images or one for each; ``keys[q]`` with
        ``seed`` decides all randomness. Questions that must get the same tokens (same image, and same key or
        text where these matter) share one selection. A method that cuts inside the tower takes what
        ``Backbone.encode`` gave with its ``thinning``.
        """
        keeps = _of_each(keep, len(tokens))
        if self.tower is not None:
            counts = [self.tower.count(k, image.total) for k, image in zip(keeps, tokens, strict=True)]
            return keep_thinned(tokens, counts, self.position_policy, image_of)
        reduced: dict[tuple, tuple[Tensor, Tensor]] = {}
        results = []
        for question, (image, key) in enumerate(zip(image_of, keys, strict=True)):
            same = (image, key if self.score.needs_key else None, question if self.needs_text else None)
            if same not in reduced:
                query = text[question] if self.needs_text and text is not None else None
                reduced[same] = self._prune_views(tokens, image, query, keeps[image], seed, key)
            results.append(reduced[same])
        features, indices = [list(part) for part in zip(*results, strict=True)] or ([], [])
        totals = [tokens[image].total for image in image_of]
        off_grid = [tokens[image].off_grid for image in image_of]
        layouts = [tokens[image].layout for image in image_of]
        return KeptTokens(features, indices, totals, self.position_policy, off_grid, layouts)

    def dropping(
        self, keep: float, total: int, layers: int, grid: tuple[int, int] | None = None
    ) -> Dropping | None:
        """What becomes of ``total`` visual tokens inside a decoder at nominal budget ``keep``; None: nothing."""
        if self.inside is None:
            return None
        return self.inside.dropping(self.inside.counts(keep, total, layers), self.position_policy, grid)

    def droppings(
        self,
        tokens: Sequence[VisionTokens],
        image_of: Sequence[int],
        keep: float | Sequence[float],
        layers: int,
    ) -> list[Dropping] | None:
        """``dropping`` for each of Q questions; where the budget depends on the image, so do the cuts."""
        if self.inside is None:
            return None
        keeps = _of_each(keep, len(tokens))
        of_image = {
            image: self.dropping(
                self._nominal(tokens, image, keeps[image]),
                len(tokens[image].features),
                layers,
                tokens[image].grid,
            )
            for image in set(image_of)
        }
        return [way for image in image_of if (way := of_image[image]) is not None]

    def thinning(self, keep: float, total: int, backbone: Backbone) -> Thinning | Shrinking | None:
        """How ``total`` patches become fewer inside a backbone's vision tower at budget ``keep``; None: not at all."""
        if self.tower is None:
            return None
        return self.tower.thinning(keep, total, cast(ThinsTower, backbone).tower)  # see check

    def _nominal(self, tokens: Sequence[VisionTokens], image: int, keep: float) -> float:
        budget = None if self.inside is None else self.inside.budget
        if budget is None:
            return keep
        self._check_values(tokens[image], image, None)
        sample = self.sample(tokens[image].whole(), None, 0, "")
        return budget(self.score(sample), keep, sample) / sample.total

    def _prune_views(
        self,
        tokens: Sequence[VisionTokens],
        image: int,
        query: Tensor | None,
        keep: float,
        seed: int,
        key: str,
    ) -> tuple[Tensor, Tensor]:
        """Features [K, D] and ascending positions [K] of what survives of an image, view by view."""
        own = tokens[image]
        self._check_values(own, image, query)
        if not own.views:
            return self._reduce(self.sample(own, query, seed, key), keep)
        features, indices = [], []
        for number, view in enumerate(own.views):
            # A key of its own: random pruning must not keep the same places of every tile.
            sample = self.sample(own.part(view), query, seed, f"{key}/view {number}")
            survivors, places = self._reduce(sample, keep)
            features.append(survivors)
            indices.append(view.tokens[places])
        positions, order = torch.cat(indices).sort()
        return torch.cat(features)[order], positions

    def _check_values(self, tokens: VisionTokens, image: int, query: Tensor | None) -> None:
        signals = {name: tokens.signals[name] for name in sorted(self.needs)}
        for name, values in {"features": tokens.features, **signals, "question": query}.items():
            # A nan would not always reach the scores: distances and merged tokens hide it.
            if values is not None and not values.isfinite().all():
                raise ValueError(f"{name} of image {image}: nan or infinite values, the model is broken")

    def sample(self, tokens: VisionTokens, query: Tensor | None, seed: int, key: str) -> Sample:
        """What this method's parts may look at of one image, or of one view of it."""
        signals = {name: tokens.signals[name] for name in sorted(self.needs)}
        return Sample(tokens.grid, signals, query, seed, key, tokens.features, tokens.project)

    def _reduce(self, sample: Sample, keep: float) -> tuple[Tensor, Tensor]:
        """Features [K, D] and ascending positions [K] of what survives."""
        scores = self.score(sample)
        count = self.budget(scores, keep, sample)
        indices = self.selection(scores, count, sample).to(sample.features.device)
        if self.merging is None or len(indices) == sample.total:
            return sample.features[indices], indices
        return self.merging(scores, indices, sample), indices


def _of_each(keep: float | Sequence[float], images: int) -> Sequence[float]:
    keeps = [keep] * images if isinstance(keep, int | float) else keep
    for value in keeps:
        if not 0 < value <= 1:
            nearest = 1 if value > 1 else 0.01
            raise UserError(f"keep must be in (0, 1]; got {value:g}, nearest valid: {nearest}")
    return keeps
