"""Arguments shared by the commands that read a study file."""

import argparse
from pathlib import Path


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add ``STUDY.yaml`` and ``--set``."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="study file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="override a key of the study file; the value is YAML; may be given many times",
    )
