"""What the sweep needs of the world: data sets, revisions of weights, versions of corruptions, backbones."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from robust_atp.data import Dataset
from robust_atp.errors import UserError
from robust_atp.interventions import surroundings, version
from robust_atp.pruning.trained import weights_hash
from robust_atp.sweep.plan import Plan, image_ids, interventions, plan
from robust_atp.sweep.study import BackboneConfig, Study

if TYPE_CHECKING:
    from robust_atp.backbones.seam import Backbone

_COMMIT = re.compile(r"[0-9a-f]{40}")


def plan_study(study: Study) -> Plan:
    """Plan a study: reads annotation files and hashes local weight files, loads no model.

    ``UserError`` where a data set lacks what a corruption needs beside the image.
    """
    datasets = [config.load() for config in study.data]
    for dataset in datasets:
        _check_surroundings(study, dataset)
    return plan(
        study,
        datasets=datasets,
        revisions={backbone.name: revision(backbone) for backbone in study.backbones},
        versions=versions(study),
        pruner_weights={backbone.name: pruner_weights(study, backbone) for backbone in study.backbones},
    )


def _check_surroundings(study: Study, dataset: Dataset) -> None:
    first = image_ids(dataset)[0]
    for what in interventions(study):
        surroundings(dataset, first, what.name, severity=what.severity, noise_seed=what.noise_seed)


def versions(study: Study) -> dict[str, int]:
    """Versions of the implementations behind the interventions of a study."""
    return {what.name: version(what.name, what.severity) for what in interventions(study)}


def revision(backbone: BackboneConfig) -> str:
    """Commit of a Hub model, or content hash of a folder: what weights there are, without loading them."""
    from robust_atp.backbones.loading import content_hash, find_source

    source = Path(find_source(backbone.id))
    if source.is_dir():
        return content_hash(source)
    if backbone.revision is not None and _COMMIT.fullmatch(backbone.revision):
        return backbone.revision
    return _commit(backbone)


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
    from robust_atp.backbones import BackboneSpec, load_backbone

    return load_backbone(BackboneSpec(**backbone.model_dump(exclude={"name"})))


def _commit(backbone: BackboneConfig) -> str:
    """Commit that a branch or tag of the Hub stands for: the snapshot folder that its config is cached in."""
    from huggingface_hub import hf_hub_download

    try:
        config = hf_hub_download(backbone.id, "config.json", revision=backbone.revision)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"backbone '{backbone.id}' cannot be reached on the Hub: {reason}") from error
    return Path(config).parent.name
