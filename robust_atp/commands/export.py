"""Write the corrupted variant of a study's data sets (VQAv2-C, …) as Parquet in the layout of the Hugging Face hub.

The clean images, every corruption at every severity and noise seed, all questions with their official annotations, and
a data card. An export that was interrupted goes on when the same command is typed again.
"""

import argparse
from pathlib import Path

from robust_atp.commands.study_arguments import add_study

EXAMPLES = """examples:
  robust-atp export experiments/embedded.yaml --out exports/phantom-c
  robust-atp export study.yaml --out exports/vqav2-c --set grid.severity=[3] --set data[0].limit=100"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp export``."""
    add_study(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the data set")


def main(arguments: argparse.Namespace) -> int:
    """Export and say where it is."""
    from robust_atp.sweep.export import export
    from robust_atp.sweep.study_file import load_study

    study = load_study(arguments.study, arguments.settings)
    for config, folder in zip(study.data, export(study, arguments.out), strict=True):
        print(f"{config.name}/{config.split}: {folder}")
        print(f"in a study: {{name: {config.name}, split: {config.split}, exported: {folder.resolve()}}}")
    return 0
