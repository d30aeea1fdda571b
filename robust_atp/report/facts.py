"""What a reader must know about a study beside its numbers."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from robust_atp.query import Records, has_column, query
from robust_atp.records import MEASURED, SCHEMA

_PACKAGES = ("robust-atp", "numpy", "pandas", "pyarrow", "duckdb", "scipy", "matplotlib", "seaborn")

_LIMITATIONS = (
    "Intervals cover the choice of images and questions. They do not cover training: another seed of the same "
    "backbone is another model.",
    "Severity levels are ordinal: level 4 of one corruption is not as strong as level 4 of another.",
    "The excess drop is additive and is compressed near the floor: an arm that answers little on clean images has "
    "little left to lose. Where the share of clean accuracy retained says otherwise, the verdict says so.",
)
_ONE_SEED = (
    "Each random corruption was drawn once per image, so its noise is part of the spread between images."
)
_PHANTOM = (
    "The phantom is a calibrated test object, a small model of rendered scenes: it shows that the instrument works, "
    "and is not evidence about 7B models on photographs."
)


def scale(records: Records) -> dict[str, int]:
    """Counts of answers, questions, images, corruptions and arms in the records."""
    counts = query(
        records,
        """
        SELECT count(*) AS answers, count(DISTINCT (dataset, split, question_id)) AS questions,
               count(DISTINCT (dataset, split, image_id)) AS images,
               count(DISTINCT intervention) FILTER (severity > 0) AS corruptions,
               count(DISTINCT (pruner, keep, position_policy)) AS arms,
               count(DISTINCT backbone) AS backbones, count(DISTINCT noise_seed) AS noise_seeds
        FROM records
        """,
    )
    return {str(name): int(value) for name, value in counts.iloc[0].items()}


def limitations(records: Records) -> list[str]:
    """What the numbers cannot say, as far as the records show it."""
    names = query(records, "SELECT DISTINCT backbone, dataset FROM records").to_numpy().ravel()
    found = list(_LIMITATIONS)
    if scale(records)["noise_seeds"] == 1:
        found.append(_ONE_SEED)
    if any("phantom" in name for name in names):
        found.append(_PHANTOM)
    return found


def records_digest(records: Records) -> str:
    """Hash of the logical content of the records, whatever their order, files and measured times.

    The exclusive or of the rows' MD5 sums with the number of rows: it serves to notice change, not malice.
    """
    columns = [name for name in SCHEMA.names if name not in MEASURED]
    columns += ["scores"] if has_column(records, "scores") else []
    values = ", ".join(_as_text(name) for name in columns)
    rows = query(
        records,
        f"""
        SELECT count(*) AS rows, bit_xor(md5_number(concat_ws(chr(31), {values})))::VARCHAR AS digest
        FROM variants
        """,
    ).iloc[0]
    return f"{int(rows['digest'] or 0):032x}-{rows['rows']}"


def environment(footers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the records were made, as far as the ``footers`` of their files say, and where they were analysed."""
    made: dict[str, set[str]] = {}
    for about in footers:
        for package, number in about.get("versions", {}).items():
            made.setdefault(package, set()).add(number)
        if "host" in about:
            made.setdefault("host", set()).add(about["host"])
    return {
        "records": {name: ", ".join(sorted(values)) for name, values in made.items()},
        "analysis": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{package: version(package) for package in _PACKAGES},
        },
    }


def finished(footers: Sequence[Mapping[str, Any]]) -> str:
    """When the last of the records was made, in UTC: the date of the result, whoever reports on it later."""
    return max((about.get("finished", "") for about in footers), default="")


def footer(file: Path) -> dict[str, Any]:
    """What the file of a unit says of how it was made."""
    return json.loads((pq.read_schema(file).metadata or {}).get(b"robust-atp", b"{}"))


def _as_text(column: str) -> str:
    if column == "kept":
        return "array_to_string([to_base64(mask) for mask in kept], ',')"
    if column == "object_patches":
        return "coalesce(to_base64(object_patches), '')"
    return f"""coalesce("{column}"::VARCHAR, '')"""
