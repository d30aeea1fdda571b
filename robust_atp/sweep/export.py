"""Writing the corrupted variant of a data set as a data set of its own: VQAv2-C from VQAv2, and so on."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corruptions.registry import find
from robust_atp.data import Dataset, DatasetConfig, Example
from robust_atp.data.data_card import data_card
from robust_atp.data.export_format import ABOUT, CLEAN, QUESTIONS, REFERENCES, features, subset
from robust_atp.data.hub import hub_split
from robust_atp.data.images import encode_png
from robust_atp.errors import UserError
from robust_atp.interventions import pixel_hash, pixels_seen
from robust_atp.scoring import weighs_by_references
from robust_atp.sweep.keys import differences
from robust_atp.sweep.plan import CLEAN as CLEAN_IMAGE
from robust_atp.sweep.plan import Intervention, interventions
from robust_atp.sweep.store import publish
from robust_atp.sweep.study import Study

_IMAGES_PER_FILE = 1000
_ROWS_PER_GROUP = 50
_PACKAGES = ("robust-atp", "numpy", "pillow")


def export(study: Study, out: Path) -> list[Path]:
    """Export every data set of a study under its corruptions, severities and noise seeds; return their folders.

    One data set is written to ``out`` itself, several to ``<out>/<name>-<split>``. What an interrupted export left is
    completed. Control images are left out: they depend on the study. ``UserError`` for an image that cannot be read,
    and for a folder that holds something else.
    """
    folders = []
    for config in study.data:
        folder = out if len(study.data) == 1 else out / f"{config.name}-{config.split}"
        _export(study, config, folder)
        folders.append(folder)
    return folders


def _export(study: Study, config: DatasetConfig, folder: Path) -> None:
    dataset = config.load()
    chosen = [what for what in interventions(study) if what.name == CLEAN_IMAGE or what.severity]
    about = _about(dataset, config.task, chosen)
    _claim(folder, about)
    first = f"{hub_split(dataset.split)}-00000.parquet"
    _write(folder / "data" / QUESTIONS / first, QUESTIONS, map(_question_row, dataset.examples()))
    if REFERENCES in about["subsets"]:
        rows = ({"answers": list(answers)} for answers in dataset.references())
        _write(folder / "data" / REFERENCES / first, REFERENCES, rows)
    ids = dataset.image_ids()
    for what in chosen:
        for number, start in enumerate(range(0, len(ids), _IMAGES_PER_FILE)):
            path = folder / "data" / _subset(what) / f"{hub_split(dataset.split)}-{number:05d}.parquet"
            some = ids[start : start + _IMAGES_PER_FILE]
            _write(path, _subset(what), (_image_row(study, dataset, what, image_id) for image_id in some))
    publish(folder / "README.md", data_card(about).encode())


def _about(dataset: Dataset, task: str, chosen: list[Intervention]) -> dict[str, Any]:
    names = dict.fromkeys(what.name for what in chosen if what.severity)
    return {
        "format": 1,
        "dataset": dataset.name,
        "split": dataset.split,
        "metric": dataset.metric,
        "task": task,
        "fingerprint": dataset.fingerprint,
        "images": len(dataset.image_ids()),
        "questions": len(dataset.examples()),
        "versions": {find(name).name: find(name).version for name in names},
        # OpenCV is installed under more than one name.
        "packages": {name: version(name) for name in _PACKAGES} | {"opencv": cv2.__version__},
        "subsets": [
            QUESTIONS,
            *([REFERENCES] if weighs_by_references(dataset.metric) else []),
            *map(_subset, chosen),
        ],
    }


def _claim(folder: Path, about: dict[str, Any]) -> None:
    """Leave word of what the folder holds; ``UserError`` if it holds something else."""
    file = folder / ABOUT
    if file.is_file():
        if changed := differences(json.loads(file.read_bytes()), about):
            listing = "\n  ".join(changed)
            raise UserError(f"{folder} holds another export; take another --out, or undo:\n  {listing}")
    elif folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and no export: take another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        publish(file, json.dumps(about, indent=1).encode())


def _subset(what: Intervention) -> str:
    return subset(find(what.name).name, what.severity, what.noise_seed) if what.severity else CLEAN


def _image_row(study: Study, dataset: Dataset, what: Intervention, image_id: str) -> dict[str, Any]:
    pixels = pixels_seen(
        dataset,
        image_id,
        what.name,
        severity=what.severity,
        noise_seed=what.noise_seed,
        study_seed=study.seed,
    )
    row = {"image_id": image_id, "image": _picture(pixels), "image_hash": pixel_hash(pixels)}
    if what.severity == 0:
        mask = dataset.object_mask(image_id)
        return row | {"object_mask": None if mask is None else _picture(mask.astype(np.uint8) * 255)}
    return row | {
        "corruption": find(what.name).name,
        "severity": what.severity,
        "noise_seed": what.noise_seed,
    }


def _question_row(example: Example) -> dict[str, Any]:
    return asdict(example) | {
        "answers": list(example.answers),
        "group": json.dumps(dict(example.group), sort_keys=True, ensure_ascii=False),
    }


def _picture(pixels: np.ndarray) -> dict[str, Any]:
    return {"bytes": encode_png(pixels), "path": None}


def _write(path: Path, name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of a subset to a file that appears complete or not at all; one that is there is left as it is."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    schema, source = features(name).arrow_schema, iter(rows)
    temporary = path.with_name(f".{path.name}")
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            while group := list(islice(source, _ROWS_PER_GROUP)):
                writer.write_table(pa.Table.from_pylist(group, schema))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
