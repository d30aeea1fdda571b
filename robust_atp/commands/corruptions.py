"""Look at corruptions (sheet), or see whether a new type keeps the contract (check).

``check`` exits with 1 if a rule is broken.
"""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp corruptions sheet photo.jpg sheet.png
  robust-atp corruptions sheet photo.jpg weather.png --names weather
  robust-atp corruptions check my_types.py:rolling_shutter"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``robust-atp corruptions sheet`` and ``check``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sheet = actions.add_parser("sheet", help="every type at every severity on one page")
    sheet.add_argument("source", type=Path, metavar="IN", help="image file")
    sheet.add_argument("target", type=Path, metavar="OUT.png", help="image file")
    sheet.add_argument(
        "--names", default="all", metavar="GROUP", help="common, extra, all (default), noise, …"
    )
    sheet.add_argument("--seed", type=int, default=0, metavar="N", help="noise seed (default 0)")
    sheet.set_defaults(action=_sheet)
    check = actions.add_parser("check", help="does a new type keep the contract?")
    check.add_argument("name", metavar="MODULE:NAME", help="module:name, file.py:name or a registered name")
    check.set_defaults(action=_check)


def main(arguments: argparse.Namespace) -> int:
    """Run the action that was asked for."""
    return arguments.action(arguments)


def _sheet(arguments: argparse.Namespace) -> int:
    from corruptions import names
    from corruptions.contact_sheet import contact_sheet
    from robust_atp.data.images import read_rgb, write_rgb

    image = read_rgb(arguments.source)
    write_rgb(contact_sheet(image, names(arguments.names), seed=arguments.seed), arguments.target)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from corruptions.check import check

    verdicts = check(arguments.name)
    for verdict in verdicts:
        word = "FAIL" if not verdict.passed else "note" if verdict.problem else "ok  "
        print(f"{word}  {verdict.rule}")
        if verdict.problem:
            print(f"      {verdict.problem}")
    return int(not all(verdict.passed for verdict in verdicts))
