"""What the sweep needs of the world: data sets, revisions of weights, versions of corruptions, backbones."""

from typing import TYPE_CHECKING

from robust_atp.backbones.checkpoint import Checkpoint, Unreachable, find_checkpoint
from robust_atp.backbones.loading import BackboneSpec, capabilities
from robust_atp.data import Dataset
from robust_atp.interventions import surroundings, version
from robust_atp.pruning.trained import weights_hash
from robust_atp.sweep.plan import Plan, interventions, plan
from robust_atp.sweep.refusals import refuse_impossible_arms
from robust_atp.sweep.study import BackboneConfig, Study

if TYPE_CHECKING:
    from robust_atp.backbones.seam import Backbone

UNKNOWN = "unknown"


def plan_study(study: Study) -> Plan:
    """Plan a study: reads annotation files and hashes local weight files, loads neither model nor images.

    ``UserError`` for an arm that a backbone cannot do, a backbone whose configuration cannot be read, or a data set
    that lacks what a corruption needs beside the image.
    """
    plan, unreachable = outline(study)
    if unreachable:
        raise next(iter(unreachable.values()))
    return plan


def outline(study: Study) -> tuple[Plan, dict[str, Unreachable]]:
    """Plan a study as far as the Hub can be reached, and say, by name, which backbones it cannot be asked about.

    Their arms go unchecked and their revision is ``UNKNOWN``: the keys of their units are not those of a run.
    """
    found: dict[str, Checkpoint] = {}
    unreachable: dict[str, Unreachable] = {}
    for backbone in study.backbones:
        try:
            found[backbone.name] = find_checkpoint(backbone.id, backbone.revision)
        except Unreachable as error:
            unreachable[backbone.name] = error
    specs = {backbone.name: spec_of(backbone) for backbone in study.backbones}
    refuse_impossible_arms(
        study, {name: capabilities(specs[name], checkpoint) for name, checkpoint in found.items()}
    )
    revisions = {name: checkpoint.revision for name, checkpoint in found.items()}
    datasets = [config.load() for config in study.data]
    for dataset in datasets:
        _check_surroundings(study, dataset)
    planned = plan(
        study,
        datasets=datasets,
        revisions=dict.fromkeys(unreachable, UNKNOWN) | revisions,
        versions=versions(study),
        pruner_weights={backbone.name: pruner_weights(study, backbone) for backbone in study.backbones},
    )
    return planned, unreachable


def _check_surroundings(study: Study, dataset: Dataset) -> None:
    first = dataset.image_ids()[0]
    for what in interventions(study):
        surroundings(dataset, first, what.name, severity=what.severity, noise_seed=what.noise_seed)


def versions(study: Study) -> dict[str, int]:
    """Versions of the implementations behind the interventions of a study."""
    return {what.name: version(what.name, what.severity) for what in interventions(study)}


def pruner_weights(study: Study, backbone: BackboneConfig) -> dict[str, str]:
    """Content hashes of the weights that trained pruners of a study have of their own, by pruner and file."""
    found = {}
    for pruner in study.grid.pruner:
        file = pruner.options.get("weights", "")
        digest = weights_hash(pruner.name, backbone.id, file)
        if digest is not None:
            found[f"{pruner.name} {file}".rstrip()] = digest
    return found


def load(backbone: BackboneConfig) -> "Backbone":
    """Load a backbone of a study, weights and all."""
    from robust_atp.backbones import load_backbone

    return load_backbone(spec_of(backbone))


def spec_of(backbone: BackboneConfig) -> BackboneSpec:
    """What a backbone's entry in a study says to the loader."""
    return BackboneSpec(**backbone.model_dump(exclude={"name"}))
