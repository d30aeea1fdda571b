"""``robust-atp show``: what the arms kept of one image, clean beside corrupted."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp show runs/study --image 3
  robust-atp show runs/study --image 3 --backbone phantom-shortcut --out three.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a study")
    parser.add_argument("--image", metavar="ID", required=True, help="image id as in the records")
    parser.add_argument("--backbone", help="backbone (default: the study's first)")
    parser.add_argument("--out", type=Path, help="PNG to write (default: DIR/show_ID.png)")


def main(args: argparse.Namespace) -> int:
    """Write one PNG with a row per intervention and a column per arm, and print its path."""
    from robust_atp.report.figures.style import png
    from robust_atp.report.overlays import overlay_of
    from robust_atp.sweep.results import open_results

    results = open_results(args.folder)
    figure = overlay_of(results, args.image, args.backbone or results.study.backbones[0].name)
    out = args.out or args.folder / f"show_{Path(args.image).name}.png"
    out.write_bytes(png(figure))
    print(out)
    return 0
