"""Evaluates one unit: corrupt once, encode once, then let every arm answer from the same tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from time import perf_counter
from typing import cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from robust_atp.backbones.seam import Answer, ThinsTower, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning
from robust_atp.interventions import CLEAN
from robust_atp.pruning import Method
from robust_atp.pruning.keeping import keep_indices
from robust_atp.pruning.matching import nominal_keep
from robust_atp.pruning.token_scores import token_scores
from robust_atp.sweep.answering import Pruned, answer
from robust_atp.sweep.experiments import EXPERIMENTS, Seen, Variation
from robust_atp.sweep.ingredients import load
from robust_atp.sweep.methods import method_of
from robust_atp.sweep.participation import participation
from robust_atp.sweep.plan import Arm, Intervention, Unit, arms
from robust_atp.sweep.recording import with_scores
from robust_atp.sweep.rows import ArmResult, Encoded, Shard, table
from robust_atp.sweep.shards import Shards
from robust_atp.sweep.study import BackboneConfig, Study


class Worker:
    """Holds one backbone and the data sets of a study: the only place where models meet images."""

    def __init__(self, study: Study, backbone: BackboneConfig) -> None:
        """Load the backbone. ``UserError`` if an arm needs what it does not provide or cannot compute."""
        self._study = study
        self._name = backbone.name
        self._backbone = load(backbone)
        self._arms = [(arm, method_of(arm, study).on(self._backbone)) for arm in arms(study)]
        self._signals = frozenset[str]().union(*(method.needs for _, method in self._arms))
        self._experiments = {
            EXPERIMENTS.get(name): part.arms for name, part in participation(study).items() if part.arms
        }
        self._needs_text = any(method.needs_text for _, method in self._arms)
        self._rehearse()
        self._shards = Shards(study, self._backbone, embeds_text=self._needs_text)
        self._clean = lru_cache(maxsize=1)(self._see_clean)

    def run(self, unit: Unit) -> pa.Table:
        """Answer every question of the unit with every arm: rows in the order arm, image, question.

        Those of the study's experiments come last. The rows depend on unit and study alone, so any worker gives
        the same ones.
        """
        shard = self._shards.asked(unit)
        start = perf_counter()
        images = self._shards.pixels(unit, shard)
        seconds_corrupt = perf_counter() - start
        whole = self._encode(images, None)
        pruned = [self._prune(unit, shard, images, whole, *arm) for arm in self._arms]
        results, unpruned = answer(self._backbone, pruned, shard.examples, self._shards.task(unit))
        own = self._table(unit, shard, images, whole, results, seconds_corrupt)
        seen = Seen(images, whole, [p.kept.indices for p in pruned])
        rows = pa.concat_tables([own, *self._experiment(unit, shard, seen, unpruned)])
        return self._with_recorded(rows, unit, shard, whole)

    def _table(
        self,
        unit: Unit,
        shard: Shard,
        images: Sequence[np.ndarray],
        whole: Encoded,
        results: Sequence[ArmResult],
        seconds_corrupt: float,
        variant: str = "own",
    ) -> pa.Table:
        return table(
            study=self._study.name,
            unit=unit,
            metric=self._shards.metric(unit),
            score=self._shards.score(unit),
            prompt=self._backbone.prompts[self._shards.task(unit)],
            shard=shard,
            pixels=images,
            tokens=whole.tokens,
            results=results,
            seconds_corrupt=seconds_corrupt,
            variant=variant,
        )

    def _with_recorded(self, rows: pa.Table, unit: Unit, shard: Shard, whole: Encoded) -> pa.Table:
        """Add the columns that the study asks for beside the ordinary ones."""
        if "scores" not in self._study.record:
            return rows
        about = whole.tokens, shard.image_of, shard.text, self._study.seed, _keys(unit, shard)
        return with_scores(rows, [token_scores(method, *about) for _, method in self._arms])

    def _experiment(
        self, unit: Unit, shard: Shard, own: Seen, unpruned: Sequence[Answer]
    ) -> Iterator[pa.Table]:
        """Tables of what the study's experiments have arms answer beyond their own answers."""
        what = unit.intervention
        for experiment, numbers in self._experiments.items():
            if experiment.meets(what.name, what.severity):
                clean = partial(self._clean, unit.dataset, unit.split, unit.images)
                for variation in experiment.vary(shard, own, clean, numbers):
                    # Another image is not what the unpruned model answered about.
                    compared = unpruned if variation.seen is own else ()
                    yield self._answer_variation(unit, shard, variation, compared)

    def _answer_variation(
        self, unit: Unit, shard: Shard, variation: Variation, unpruned: Sequence[Answer]
    ) -> pa.Table:
        arm, method = self._arms[variation.arm]
        seen, part = variation.seen, shard.part(variation.questions)
        kept = keep_indices(
            seen.encoded.tokens, variation.places, method.position_policy, image_of=part.image_of
        )
        # The tokens are there already: what they cost stands in the arm's own rows.
        pruned = Pruned(arm, replace(seen.encoded, seconds=0.0), kept, None, 0.0)
        compared = [unpruned[question] for question in variation.questions] if unpruned else ()
        results, _ = answer(self._backbone, [pruned], part.examples, self._shards.task(unit), compared)
        return self._table(unit, part, seen.pixels, seen.encoded, results, 0.0, variation.variant)

    def _see_clean(self, dataset: str, split: str, image_ids: tuple[str, ...]) -> Seen:
        """What the arms see of a shard's clean images: the places are those of the clean unit's own rows."""
        unit = Unit("", self._name, dataset, split, image_ids, Intervention(CLEAN))
        shard = self._shards.asked(unit)
        images = self._shards.pixels(unit, shard)
        whole = self._encode(images, None)
        # One arm after the other: only their places stay in memory.
        places = [self._prune(unit, shard, images, whole, *arm).kept.indices for arm in self._arms]
        return Seen(images, whole, places)

    def _rehearse(self) -> None:
        """Compute every signal and budget once: a CLIP model that does not load is no fault of the first unit."""
        image = [np.zeros((64, 64, 3), np.uint8)]
        whole = self._encode(image, None)
        for arm, method in self._arms:
            self._encode_for(method, self._nominal_keeps(arm, method, whole.tokens), image, whole)
        if self._needs_text:
            self._backbone.embed_questions(["what is this"])

    def _encode(self, images: Sequence[np.ndarray], thinning: Thinning | Shrinking | None) -> Encoded:
        start = perf_counter()
        if thinning is None:
            tokens = self._backbone.encode(images, self._signals)
        else:
            tokens = cast(ThinsTower, self._backbone).encode(images, frozenset(), thinning)
        _finish(tokens[0].features)
        return Encoded(tokens, perf_counter() - start)

    def _encode_for(
        self, method: Method, keeps: Sequence[float], images: Sequence[np.ndarray], whole: Encoded
    ) -> Encoded:
        """What ``method`` prunes: the images as all arms see them, or as a tower thinned for it leaves them."""
        # A tower that can be thinned cuts every image into equally many patches: one budget is all images'.
        thinning = method.thinning(keeps[0], whole.tokens[0].total, self._backbone)
        return whole if thinning is None else self._encode(images, thinning)

    def _prune(
        self,
        unit: Unit,
        shard: Shard,
        images: Sequence[np.ndarray],
        whole: Encoded,
        arm: Arm,
        method: Method,
    ) -> Pruned:
        keeps = self._nominal_keeps(arm, method, whole.tokens)
        encoded = self._encode_for(method, keeps, images, whole)
        start, tokens = perf_counter(), encoded.tokens
        kept = method.prune(tokens, shard.image_of, shard.text, keeps, self._study.seed, _keys(unit, shard))
        droppings = method.droppings(tokens, shard.image_of, keeps, self._backbone.shape.layers)
        _finish(kept.features[0])
        return Pruned(arm, encoded, kept, droppings, perf_counter() - start)

    def _nominal_keeps(self, arm: Arm, method: Method, tokens: Sequence[VisionTokens]) -> list[float]:
        totals = [len(image.features) for image in tokens]
        budget, shape = self._study.grid.budget, self._backbone.shape
        keep_of = {total: nominal_keep(method, arm.keep, budget, total, shape) for total in set(totals)}
        return [keep_of[total] for total in totals]


def _keys(unit: Unit, shard: Shard) -> list[str]:
    """What decides the randomness of each question's pruning, with the seed of the study."""
    # Random pruning draws anew for every intervention: were it the same draw, its kept tokens would be
    # perfectly stable under corruption, and no floor for the stability of anything else.
    what = unit.intervention
    condition = f"{what.name}/{what.severity}/{what.noise_seed}"
    return [f"{unit.dataset}/{example.image_id}/{condition}" for example in shard.examples]


def _finish(tensor: Tensor) -> None:
    """Wait for the accelerator, so that its work is timed where it was asked for."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
