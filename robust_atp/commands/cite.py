"""``robust-atp cite``: how to cite a result."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp cite runs/study"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a study")
    parser.add_argument("--report", type=Path, help="folder of its report (default: DIR/report)")


def main(args: argparse.Namespace) -> int:
    """Print one line for a footnote and a BibTeX entry."""
    from robust_atp.report.citation import bibtex, plain
    from robust_atp.report.manifest import read_manifest

    manifest = read_manifest(args.report or args.folder / "report")
    print(f"{plain(manifest)}\n\n{bibtex(manifest)}")
    return 0
