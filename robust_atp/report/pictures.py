"""The pictures behind the records, made again and checked to be the ones that were answered."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from robust_atp.data.example import Dataset
from robust_atp.errors import UserError
from robust_atp.interventions import intervene, pixel_hash, surroundings
from robust_atp.query import ARM, CONDITION, Records, listed, query


@dataclass(frozen=True)
class Picture:
    """One image under one intervention, with everything that the arms made of the first question about it."""

    pixels: np.ndarray  # [H, W, 3]
    objects: np.ndarray | None  # bool [H, W]
    rows: pd.DataFrame  # one per arm, in the columns of the records


def pictures(
    records: Records,
    dataset: Dataset,
    *,
    backbone: str,
    image_id: str,
    conditions: Iterable[tuple[str, int]],
    study_seed: int,
) -> dict[tuple[str, int], Picture]:
    """Recreate an image under each (intervention, severity), with the records of its first question.

    ``UserError`` if the image is not in the records, or if its pixels do not have the recorded hash: a picture
    other than the one that was answered is worse than none.
    """
    found = {}
    for name, severity in conditions:
        rows = _rows(records, dataset, backbone, image_id, name, severity)
        first = rows.iloc[0]
        how: dict[str, Any] = {"severity": severity, "noise_seed": int(first["noise_seed"])}
        beside = surroundings(dataset, image_id, name, **how)
        pixels = intervene(
            dataset.image(image_id), name, study_seed=study_seed, dataset=dataset.name, image_id=image_id,
            **how, **beside,
        )  # fmt: skip
        if pixel_hash(pixels) != first["image_hash"]:
            raise UserError(
                f"image {image_id} under {name} {severity} is not the one that was answered: "
                f"its pixels have hash {pixel_hash(pixels)}, the records say {first['image_hash']}"
            )
        found[name, severity] = Picture(pixels, dataset.object_mask(image_id), rows)
    return found


def _rows(
    records: Records, dataset: Dataset, backbone: str, image_id: str, name: str, severity: int
) -> pd.DataFrame:
    # Ids come from people and files: compared as values, never written into SQL unescaped.
    wanted = {"backbone": backbone, "dataset": dataset.name, "split": dataset.split, "image_id": image_id}
    conditions = [f"{column} = {_quoted(value)}" for column, value in wanted.items()]
    conditions += [f"intervention = {_quoted(name)}", f"severity = {int(severity)}"]
    rows = query(
        records,
        f"""
        SELECT {listed((*ARM, *CONDITION))}, question_id, question, noise_seed, image_hash, grid,
               kept[-1] AS kept, object_patches, prediction, answer, score
        FROM records WHERE {" AND ".join(conditions)}
        QUALIFY dense_rank() OVER (ORDER BY question_id, noise_seed) = 1
        """,
    )
    if rows.empty:
        raise UserError(
            f"no records of image '{image_id}' under {name} {severity} "
            f"for {backbone} on {dataset.name}/{dataset.split}"
        )
    return rows


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
