"""One small photo album, written as the official files and as the hub's tables of every data set."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

PHOTOS = (7, 3, 12)


def photo(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 30 + number, 3), dtype=np.uint8)


def file_name(number: int) -> str:
    return f"COCO_val2014_{number:012d}.png"


def write_photos(folder: Path, name: Callable[[int], str] = file_name) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in PHOTOS:
        Image.fromarray(photo(number)).save(folder / name(number))
    return folder


def picture(number: int) -> dict[str, Any]:
    from io import BytesIO

    content = BytesIO()
    Image.fromarray(photo(number)).save(content, "PNG")
    return {"bytes": content.getvalue(), "path": None}


def write_hub(folder: Path, subsets: Mapping[str, tuple[str, Sequence[dict[str, Any]]]]) -> Path:
    """Write rows as Parquet with the card that names them: what ``load_dataset`` finds on the hub."""
    from datasets import Dataset, Features, Image

    folder.mkdir(parents=True, exist_ok=True)
    configs = []
    for subset, (split, rows) in subsets.items():
        table = Dataset.from_list(list(rows))
        if "image" in table.column_names:
            table = table.cast(Features({**table.features, "image": Image(decode=False)}))
        table.to_parquet(str(folder / f"{subset}.parquet"))
        configs.append({"config_name": subset, "data_files": [{"split": split, "path": f"{subset}.parquet"}]})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return folder


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path
