"""What is asked about which pixels: the data sets of a study, shard by shard."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from torch import Tensor

from robust_atp.backbones.seam import Backbone
from robust_atp.data import Dataset, Example
from robust_atp.interventions import changes_question, intervene_question, pixels_seen
from robust_atp.scoring import Score, scorer
from robust_atp.sweep.plan import Unit
from robust_atp.sweep.rows import Shard
from robust_atp.sweep.study import Study


class Shards:
    """Reads images, questions and masks of units for one backbone, and does to them what their intervention says."""

    def __init__(self, study: Study, backbone: Backbone, *, embeds_text: bool) -> None:
        """``embeds_text``: whether questions are wanted in CLIP's joint space."""
        self._seed = study.seed
        self._backbone = backbone
        self._embeds_text = embeds_text
        self._configs = {(config.name, config.split): config for config in study.data}
        # One study holds few data sets, and the interventions of a shard come one after the other.
        self._dataset = lru_cache(self._load_dataset)
        self._score = lru_cache(self._load_score)
        self._shard = lru_cache(maxsize=2)(self._load_shard)

    def task(self, unit: Unit) -> str:
        """What the questions of the unit's data set are: short questions, captions."""
        return self._configs[unit.dataset, unit.split].task

    def metric(self, unit: Unit) -> str:
        """Name of the data set's official score."""
        return self._dataset(unit.dataset, unit.split).metric

    def score(self, unit: Unit) -> Score:
        """The data set's official score."""
        return self._score(unit.dataset, unit.split)

    def asked(self, unit: Unit) -> Shard:
        """The shard with the questions of the unit's intervention."""
        shard, what = self._shard(unit.dataset, unit.split, unit.images), unit.intervention
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

    def pixels(self, unit: Unit, shard: Shard) -> list[np.ndarray]:
        """What every arm sees of the shard's images under the unit's intervention."""
        what = unit.intervention
        return [
            pixels_seen(
                self._dataset(unit.dataset, unit.split),
                image_id,
                what.name,
                severity=what.severity,
                noise_seed=what.noise_seed,
                study_seed=self._seed,
                image=image,
            )
            for image_id, image in zip(unit.images, shard.images, strict=True)
        ]

    def _load_dataset(self, name: str, split: str) -> Dataset:
        return self._configs[name, split].load()

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

    def _embedded(self, examples: Sequence[Example]) -> Tensor | None:
        return self._backbone.embed_questions([e.question for e in examples]) if self._embeds_text else None
