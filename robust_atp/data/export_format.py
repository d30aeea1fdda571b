"""What an exported data set looks like on disk: a folder in the hub's layout.

::

    DIR/README.md                      data card; names the subsets for ``datasets.load_dataset(DIR, subset)``
        export.json                    what it was made of: data set, versions, hashes
        data/questions/<split>-….parquet    one row per question
        data/clean/<split>-….parquet        one row per image, with its object mask
        data/<corruption>-<severity>/…      one row per image; -seed<n> after it for noise seeds other than 0
        data/references/…                   all reference answers, where the score weighs by them
"""

from typing import Any

ABOUT = "export.json"
QUESTIONS = "questions"
CLEAN = "clean"
REFERENCES = "references"


def subset(corruption: str, severity: int, noise_seed: int) -> str:
    """Name of the subset that holds one corruption: ``fog-3``, ``fog-3-seed1``."""
    return f"{corruption}-{severity}" + (f"-seed{noise_seed}" if noise_seed else "")


def features(name: str) -> Any:
    """Columns of a subset as ``datasets.Features``."""
    from datasets import Features, Image, List, Value

    text = Value("string")
    if name == REFERENCES:
        return Features({"answers": List(text)})
    if name == QUESTIONS:
        columns = ("image_id", "question_id", "question", "answer", "question_type", "answer_type")
        return Features(
            dict.fromkeys(columns, text) | {"answers": List(text), "group": text, "original": text}
        )
    about = {"image_id": text, "image": Image(), "image_hash": text}
    if name == CLEAN:
        return Features(about | {"object_mask": Image()})
    return Features(about | {"corruption": text, "severity": Value("int8"), "noise_seed": Value("int64")})
