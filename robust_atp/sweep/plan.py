"""A study becomes a list of units. Pure: no Ray, no torch, the same list in the same order everywhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from robust_atp.data import Dataset
from robust_atp.interventions import CLEAN
from robust_atp.records import schema
from robust_atp.sweep.keys import content_key
from robust_atp.sweep.study import BackboneConfig, PrunerConfig, Study


@dataclass(frozen=True)
class Arm:
    """One way of pruning, at one budget. Every arm answers every question of every unit."""

    pruner: str
    keep: float
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intervention:
    """What is done to an image before any arm sees it, or to a question before any arm is asked.

    Clean and control images have severity 0 and noise seed 0: they exist once, whatever the noise seeds.
    """

    name: str
    severity: int = 0
    noise_seed: int = 0


@dataclass(frozen=True)
class Unit:
    """The smallest piece of work that is recorded: a shard of images under one intervention, all arms.

    ``key`` names the file of its records and changes with everything that decides their bytes.
    """

    key: str
    backbone: str
    dataset: str
    split: str
    images: tuple[str, ...]
    intervention: Intervention

    def __str__(self) -> str:
        what = self.intervention
        level = f" {what.severity} (seed {what.noise_seed})" if what.severity else ""
        return f"{self.backbone} on {self.dataset}/{self.split}, {what.name}{level}, images {self.images[0]}…"


@dataclass(frozen=True)
class Plan:
    """Units in the order in which they are worked off, and what they amount to."""

    study: Study
    arms: tuple[Arm, ...]
    interventions: tuple[Intervention, ...]
    units: tuple[Unit, ...]
    answers: int
    """Own answers of all arms; what experiments add depends on which arms can take part."""
    identity: Mapping[str, Any]
    """Everything that decides the records, as JSON: two studies with equal identities have equal units."""


def arms(study: Study) -> tuple[Arm, ...]:
    """Unpruned first, then budget by budget random pruning and the study's pruners.

    Arms of one budget stand together: they are what is compared.
    """
    pruners = study.grid.pruner
    if not any(pruner.name == "random" for pruner in pruners):
        pruners = (PrunerConfig(name="random"), *pruners)
    return (
        Arm("none", 1.0),
        *(
            Arm(pruner.name, keep, pruner.options)
            for keep in study.grid.keep
            for pruner in pruners
            if pruner.name != "none"
        ),
    )


def interventions(study: Study) -> tuple[Intervention, ...]:
    """Clean, then control images, then every corruption at every severity with every noise seed."""
    grid = study.grid
    return (
        Intervention(CLEAN),
        *(Intervention(name) for name in grid.control),
        *(
            Intervention(name, severity, seed)
            for name in grid.corruption
            for severity in grid.severity
            for seed in study.noise_seeds
        ),
    )


def plan(
    study: Study,
    datasets: Sequence[Dataset],
    revisions: Mapping[str, str],
    versions: Mapping[str, int],
    pruner_weights: Mapping[str, Mapping[str, str]],
) -> Plan:
    """Lay out the units of a study.

    ``datasets`` come in the order of ``study.data``; ``revisions`` maps names of backbones to the resolved
    revisions of their weights, ``versions`` names of interventions to the versions of their implementations,
    ``pruner_weights`` names of backbones to the content hashes of weights that trained pruners have for them.

    Units come shard by shard with all interventions of a shard together: a worker reads images and embeds
    questions once, and a half-finished study is a complete study of fewer images.
    """
    backbones = {
        backbone.name: _backbone_identity(backbone)
        | {"revision": revisions[backbone.name]}
        | ({"pruner_weights": dict(own)} if (own := pruner_weights.get(backbone.name)) else {})
        for backbone in study.backbones
    }
    common = {
        "study": study.name,
        "seed": study.seed,
        "position_policy": study.position_policy,
        "budget": study.grid.budget,
        "threads": study.threads,
        "columns": schema(study.record).names,
        "experiments": list(study.grid.experiment),
        "arms": [
            {"pruner": arm.pruner, "keep": arm.keep, "options": dict(arm.options)} for arm in arms(study)
        ],
    }
    common_key = content_key(common)

    def unit(backbone: str, dataset: Dataset, images: tuple[str, ...], intervention: Intervention) -> Unit:
        version = versions[intervention.name]
        ingredients = [
            common_key,
            backbones[backbone],
            _identity(dataset),
            images,
            astuple(intervention),
            version,
        ]
        key = content_key([backbone, *ingredients])
        return Unit(key, backbone, dataset.name, dataset.split, images, intervention)

    units = tuple(
        unit(backbone, dataset, images, intervention)
        for backbone in backbones
        for dataset in datasets
        for images in shards(dataset, study.shard_images)
        for intervention in interventions(study)
    )
    questions = sum(len(dataset.examples()) for dataset in datasets)
    return Plan(
        study=study,
        arms=arms(study),
        interventions=interventions(study),
        units=units,
        answers=questions * len(backbones) * len(interventions(study)) * len(arms(study)),
        identity=common
        | {
            "shard_images": study.shard_images,
            "backbones": backbones,
            "data": [
                _identity(dataset)
                | {"images": content_key(dataset.image_ids())}
                | ({"revision": dataset.revision} if dataset.revision else {})
                for dataset in datasets
            ],
            "interventions": {
                name: versions[name] for name in dict.fromkeys(i.name for i in interventions(study))
            },
            "severity": list(study.grid.severity),
            "noise_seeds": list(study.noise_seeds),
        },
    )


def shards(dataset: Dataset, size: int) -> Iterator[tuple[str, ...]]:
    """Images of a data set in groups of ``size``; the last group may be smaller."""
    ids = dataset.image_ids()
    return (tuple(ids[start : start + size]) for start in range(0, len(ids), size))


def _backbone_identity(backbone: BackboneConfig) -> dict[str, Any]:
    # CPU and GPU round differently, two GPUs of a machine do not.
    device = backbone.device.partition(":")[0]
    return backbone.model_dump(mode="json", exclude={"name"}) | {"device": device}


def _identity(dataset: Dataset) -> dict[str, str]:
    return {"name": dataset.name, "split": dataset.split, "fingerprint": dataset.fingerprint}
