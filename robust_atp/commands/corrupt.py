"""Corrupt one image. The bytes depend on image, name, severity, seed and key alone."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp corrupt photo.jpg foggy.png --name fog --severity 3
  robust-atp corrupt photo.jpg own.png --name my_types.py:rolling_shutter --severity 5 --seed 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp corrupt``."""
    parser.add_argument("source", type=Path, metavar="IN", help="image file")
    parser.add_argument("target", type=Path, metavar="OUT", help="image file; PNG keeps every pixel")
    parser.add_argument("--name", required=True, help="see robust-atp list corruptions")
    parser.add_argument(
        "--severity",
        type=float,
        required=True,
        metavar="S",
        help="1..5; 0 changes nothing, fractions lie between",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="noise seed (default 0)")
    parser.add_argument(
        "--key",
        default="",
        help="id of the sample; a study uses DATASET/IMAGE_ID, so that gives the pixels its models saw",
    )


def main(arguments: argparse.Namespace) -> int:
    """Read, corrupt, write."""
    from corruptions import corrupt
    from robust_atp.data.images import read_rgb, write_rgb

    image = read_rgb(arguments.source)
    result = corrupt(image, arguments.name, arguments.severity, arguments.seed, arguments.key)
    write_rgb(result, arguments.target)
    return 0
