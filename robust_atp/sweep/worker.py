"""Evaluates one unit: corrupt once, encode once, then let every arm answer from the same tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter
from typing import cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.seam import KeptTokens, ThinsTower, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning
from robust_atp.data import Dataset, Example
from robust_atp.interventions import changes_question, intervene_question, pixels_seen
from robust_atp.pruning import Method
from robust_atp.pruning.matching import nominal_keep
from robust_atp.scoring import Score, scorer
from robust_atp.sweep.ingredients import load
from robust_atp.sweep.methods import method_of
from robust_atp.sweep.plan import Arm, Unit, arms
from robust_atp.sweep.rows import ArmResult, Encoded, Shard, table
from robust_atp.sweep.study import BackboneConfig, Study


@dataclass(frozen=True)
class Pruned:
    """What one arm kept before the decoder, what it is to drop inside, and how long it took to find out."""

    arm: Arm
    encoded: Encoded
    kept: KeptTokens
    droppings: list[Dropping] | None
    seconds: float


class Worker:
    """Holds one backbone and the data sets of a study: the only place where models meet images."""

    def __init__(self, study: Study, backbone: BackboneConfig) -> None:
        """Load the backbone. ``UserError`` if an arm needs what it does not provide or cannot compute."""
        self._study = study
        self._name = backbone.name
        self._backbone = load(backbone)
        self._arms = [(arm, method_of(arm, study).on(self._backbone)) for arm in arms(study)]
        self._signals = frozenset[str]().union(*(method.needs for _, method in self._arms))
        self._needs_text = any(method.needs_text for _, method in self._arms)
        self._rehearse()
        self._datasets = {(config.name, config.split): config for config in study.data}
        # One study holds few data sets, and the interventions of a shard come one after the other.
        self._dataset = lru_cache(self._load_dataset)
        self._score = lru_cache(self._load_score)
        self._shard = lru_cache(maxsize=2)(self._load_shard)

    def run(self, unit: Unit) -> pa.Table:
        """Answer every question of the unit with every arm: rows in the order arm, image, question.

        The rows depend on unit and study alone, so any worker gives the same ones.
        """
        dataset, task = self._dataset(unit.dataset, unit.split), self._task(unit)
        shard = self._asked(unit, self._shard(unit.dataset, unit.split, unit.images))
        start = perf_counter()
        images = [self._intervene(unit, *pair) for pair in zip(unit.images, shard.images, strict=True)]
        seconds_corrupt = perf_counter() - start
        whole = self._encode(images, None)
        pruned = [self._prune(unit, shard, images, whole, *arm) for arm in self._arms]
        results = self._answer(pruned, shard, task)
        return table(
            study=self._study.name,
            unit=unit,
            metric=dataset.metric,
            score=self._score(unit.dataset, unit.split),
            prompt=self._backbone.prompts[task],
            shard=shard,
            pixels=images,
            tokens=whole.tokens,
            results=results,
            seconds_corrupt=seconds_corrupt,
        )

    def _task(self, unit: Unit) -> str:
        return self._datasets[unit.dataset, unit.split].task

    def _rehearse(self) -> None:
        """Compute every signal and budget once: a CLIP model that does not load is no fault of the first unit."""
        image = [np.zeros((64, 64, 3), np.uint8)]
        whole = self._encode(image, None)
        for arm, method in self._arms:
            self._encode_for(method, self._nominal_keeps(arm, method, whole.tokens), image, whole)
        if self._needs_text:
            self._backbone.embed_questions(["what is this"])

    def _load_dataset(self, name: str, split: str) -> Dataset:
        return self._datasets[name, split].load()

    def _load_score(self, name: str, split: str) -> Score:
        dataset = self._dataset(name, split)
        return scorer(dataset.metric, dataset.references())

    def _load_shard(self, name: str, split: str, image_ids: tuple[str, ...]) -> Shard:
        dataset = self._dataset(name, split)
        row_of = {image_id: row for row, image_id in enumerate(image_ids)}
        examples = tuple(dataset.examples(image_ids))
        masks = [dataset.object_mask(image_id) for image_id in image_ids]
        return Shard(
            images=tuple(dataset.image(image_id) for image_id in image_ids),
            object_patches=tuple(
                None if mask is None else self._backbone.object_patches(mask) for mask in masks
            ),
            examples=examples,
            image_of=tuple(row_of[example.image_id] for example in examples),
            text=self._embedded(examples),
        )

    def _asked(self, unit: Unit, shard: Shard) -> Shard:
        """Return the shard with the questions of the unit's intervention."""
        what = unit.intervention
        if not changes_question(what.name, what.severity):
            return shard
        examples = tuple(
            replace(
                example,
                question=intervene_question(
                    example.question,
                    what.name,
                    severity=what.severity,
                    noise_seed=what.noise_seed,
                    dataset=unit.dataset,
                    question_id=example.question_id,
                ),
            )
            for example in shard.examples
        )
        return replace(shard, examples=examples, text=self._embedded(examples))

    def _embedded(self, examples: Sequence[Example]) -> Tensor | None:
        return self._backbone.embed_questions([e.question for e in examples]) if self._needs_text else None

    def _intervene(self, unit: Unit, image_id: str, image: np.ndarray) -> np.ndarray:
        return pixels_seen(
            self._dataset(unit.dataset, unit.split),
            image_id,
            unit.intervention.name,
            severity=unit.intervention.severity,
            noise_seed=unit.intervention.noise_seed,
            study_seed=self._study.seed,
            image=image,
        )

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
        # Random pruning draws anew for every intervention: were it the same draw, its kept tokens would be
        # perfectly stable under corruption, and no floor for the stability of anything else.
        what = unit.intervention
        condition = f"{what.name}/{what.severity}/{what.noise_seed}"
        keys = [f"{unit.dataset}/{example.image_id}/{condition}" for example in shard.examples]
        keeps = self._nominal_keeps(arm, method, whole.tokens)
        encoded = self._encode_for(method, keeps, images, whole)
        start, tokens = perf_counter(), encoded.tokens
        kept = method.prune(tokens, shard.image_of, shard.text, keeps, self._study.seed, keys)
        droppings = method.droppings(tokens, shard.image_of, keeps, self._backbone.shape.layers)
        _finish(kept.features[0])
        return Pruned(arm, encoded, kept, droppings, perf_counter() - start)

    def _nominal_keeps(self, arm: Arm, method: Method, tokens: Sequence[VisionTokens]) -> list[float]:
        totals = [len(image.features) for image in tokens]
        budget, shape = self._study.grid.budget, self._backbone.shape
        keep_of = {total: nominal_keep(method, arm.keep, budget, total, shape) for total in set(totals)}
        return [keep_of[total] for total in totals]

    def _answer(self, pruned: Sequence[Pruned], shard: Shard, task: str) -> list[ArmResult]:
        """Answer all questions for all arms: those that drop inside the decoder together, the others alone.

        The former share the first layers. The latter could fill one batch too, but an arm's time would then
        not be its own.
        """
        batches: dict[int | None, list[Pruned]] = {}
        for number, p in enumerate(pruned):
            batches.setdefault(None if _enters_whole(p) else number, []).append(p)
        results: dict[int, ArmResult] = {}
        for together in batches.values():
            for p, result in zip(together, self._answer_together(together, shard, task), strict=True):
                results[id(p)] = result
        return [results[id(p)] for p in pruned]

    def _answer_together(self, together: Sequence[Pruned], shard: Shard, task: str) -> list[ArmResult]:
        # Several arms keep every token on the way in. The backbone tells equal prompts by their tensors being the
        # same objects, so all take those of the first.
        kept, count = together[0].kept, len(shard.examples)
        parts = (kept.features, kept.indices, kept.totals, kept.off_grid, kept.layouts, kept.thinned)
        features, indices, totals, off_grid, layouts, thinned = ([*part] * len(together) for part in parts)
        questions = [example.question for example in shard.examples] * len(together)
        ways = [way for p in together for way in p.droppings or ()]
        start = perf_counter()
        answers = self._backbone.answer(
            KeptTokens(features, indices, totals, kept.position_policy, off_grid, layouts, thinned),
            questions,
            ways or None,
            task,
        )
        seconds = (perf_counter() - start) / len(answers)
        return [
            ArmResult(p.arm, p.encoded, p.kept, answers[place : place + count], p.seconds / count, seconds)
            for p, place in zip(together, range(0, len(answers), count), strict=True)
        ]


def _enters_whole(pruned: Pruned) -> bool:
    """Whether all tokens enter the decoder, to be dropped inside: both position policies number them alike."""
    kept = pruned.kept
    return pruned.droppings is not None and all(
        len(indices) == total for indices, total in zip(kept.indices, kept.totals, strict=True)
    )


def _finish(tensor: Tensor) -> None:
    """Wait for the accelerator, so that its work is timed where it was asked for."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
