"""``robust-atp report``: a readable, checkable and citable account of a study."""

import argparse
import shlex
from pathlib import Path

EXAMPLES = """examples:
  robust-atp report runs/study
  robust-atp report runs/study --out /tmp/report
  robust-atp report runs/study --set analysis.margin=0.02   (the page says that this was not declared)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a study")
    parser.add_argument("--out", type=Path, help="where to write (default: DIR/report)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="analysis.KEY=VALUE",
        dest="settings",
        help="judge the records otherwise than the study declares; the page lists it as a deviation",
    )


def main(args: argparse.Namespace) -> int:
    """Build the report; the path of the page is what it prints."""
    from robust_atp.report.build import build_report
    from robust_atp.sweep.results import open_results

    out = args.out or args.folder / "report"
    command = ["robust-atp", "report", str(args.folder), *(["--out", str(args.out)] if args.out else [])]
    command += [part for setting in args.settings for part in ("--set", setting)]
    print(build_report(open_results(args.folder), out, command=shlex.join(command), settings=args.settings))
    return 0
