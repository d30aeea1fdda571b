"""Arguments shared by the commands that read a study file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust_atp.sweep.study import BackboneConfig, Study


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


def backbone_of(study: "Study | None", name: str) -> "BackboneConfig":
    """One of the study's backbones by name or id, or else a shipped name, hub id or folder with default settings."""
    from robust_atp.sweep.study import BackboneConfig

    for backbone in study.backbones if study else ():
        if name in (backbone.name, backbone.id):
            return backbone
    return BackboneConfig.model_validate(name)
