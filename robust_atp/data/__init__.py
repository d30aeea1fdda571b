"""Data sets: one loader each, all of them turned into the same ``Example``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from robust_atp.data.config import DatasetConfig
from robust_atp.data.example import Dataset, Example
from robust_atp.errors import UserError
from robust_atp.problems import complain, problems_of
from robust_atp.registry import Registry

__all__ = ["DATASETS", "Dataset", "DatasetConfig", "Example", "load_dataset"]

DATASETS: Registry[type[DatasetConfig]] = Registry(
    "dataset",
    {
        "phantom": "robust_atp.data.phantom:PhantomConfig",
        "vqav2": "robust_atp.data.vqav2:VQAv2Config",
        "pope": "robust_atp.data.pope:POPEConfig",
        "gqa": "robust_atp.data.gqa:GQAConfig",
        "gqa-ood": "robust_atp.data.gqa_ood:GQAOODConfig",
        "coco-captions": "robust_atp.data.coco_captions:CocoCaptionsConfig",
        "pope-builder": "robust_atp.data.pope_builder:POPEBuilderConfig",
        "table": "robust_atp.data.table:TableConfig",
    },
)


def load_dataset(config: DatasetConfig | Mapping[str, Any], base: str | Path = ".") -> Dataset:
    """Load a data set from its entry in a study file; a mapping's paths are relative to ``base``."""
    if isinstance(config, DatasetConfig):
        return config.load()
    if "name" not in config:
        raise UserError(f"a data set needs a name, one of: {', '.join(DATASETS.names())}")
    model = DATASETS.get(config["name"])
    try:
        return model.model_validate(dict(config), context={"base": base}).load()
    except ValidationError as error:
        raise complain(f"data set {config['name']}", problems_of(error, model)) from None
