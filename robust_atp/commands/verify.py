"""``robust-atp verify``: is a report still what its records say?"""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp verify runs/study
  robust-atp verify runs/study --report /tmp/report"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a study")
    parser.add_argument("--report", type=Path, help="folder of its report (default: DIR/report)")


def main(args: argparse.Namespace) -> int:
    """List every difference; 0 if there is none, 1 otherwise."""
    from robust_atp.report.verify import differences
    from robust_atp.sweep.results import open_results

    found = differences(open_results(args.folder), args.report or args.folder / "report")
    for difference in found:
        print(difference)
    print("verified: files, records and headline numbers agree" if not found else f"{len(found)} differences")
    return 1 if found else 0
