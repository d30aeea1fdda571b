"""Try every probe on a model with a planted shortcut and on one without, and print what they find as Markdown.

python experiments/benchmarks/probe_calibration.py --images 200
"""

import argparse
import tempfile
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from robust_atp import run
from robust_atp.probes.separation import BACKBONES, separation
from robust_atp.sweep.study_file import study_from_record


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200, help="scenes that both models are asked about")
    parser.add_argument("--world", default="balanced", choices=["balanced", "neutral", "shortcut"])
    parser.add_argument(
        "--all", action="store_true", help="all quantities, not only the one a probe declares"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = separation(phantom_records(Path(folder), arguments.images, arguments.world))
    print(f"{arguments.images} scenes of the {arguments.world} world, {', '.join(BACKBONES)}\n")
    print(markdown(found if arguments.all else found[found["declared"]]))


def phantom_records(folder: Path, images: int, world: str = "balanced", seed: int = 0) -> pd.DataFrame:
    """What both backbones answer about clean and edited scenes: unpruned, and pruned to a quarter of the tokens."""
    study = {
        "name": "probe-calibration",
        "seed": seed,
        "backbones": list(BACKBONES),
        "data": [{"name": "phantom", "split": "test", "images": images, "world": world}],
        "grid": {
            "corruption": ["background_swap"],
            "severity": [5],
            "control": ["blank", "objects-removed"],
            "pruner": ["atp"],
            "keep": [0.25],
            "experiment": ["grounding"],
        },
    }
    return run(study_from_record(study), folder).table("FROM variants")


def markdown(table: pd.DataFrame) -> str:
    """One line per quantity."""
    lines = [
        "| probe | quantity | of | phantom | shortcut | difference [95 %] | effect | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        arm = "unpruned" if row["pruner"] == "none" else row["pruner"]
        about = f"{row['probe']} | {row['quantity']} | {arm}, {row['intervention']}"
        numbers = "– | – | – | –"
        if row["images"] > 0:
            numbers = (
                f"{row['phantom']:.3f} | {row['shortcut']:.3f} "
                f"| {row['difference']:+.3f} [{row['lo']:+.3f}, {row['hi']:+.3f}] | {row['effect']:+.2f}"
            )
        lines.append(f"| {about} | {numbers} | {verdict(row)} |")
    return "\n".join(lines)


def verdict(row: Mapping[Hashable, Any]) -> str:
    """What a row of ``separation`` says about its probe."""
    found = "separates" if row["separates"] else "does not separate"
    if not row["declared"]:
        return found
    if row["why_not"]:
        return f"{found}; need not: {row['why_not']}"
    return found if row["separates"] else f"FAILS: {found}"


if __name__ == "__main__":
    main()
