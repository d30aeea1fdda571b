"""Print how far a study is; works while it runs and after."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust_atp.sweep.results import Status

EXAMPLES = """examples:
  robust-atp status runs/embedded
  robust-atp status runs/embedded --json"""

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp status``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the records")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> int:
    """Print done, failed and left."""
    from robust_atp.sweep.results import open_results

    results = open_results(arguments.folder)
    status = results.status()
    if arguments.json:
        print(json.dumps(asdict(status), indent=1))
        return 0
    print(f"{results.study.name}: {status.done} units done, {status.failed} failed, {status.left} left")
    print_failures(status)
    return 0


def print_failures(status: "Status") -> None:
    """Print failed units with their reasons, the first few if there are many."""
    for unit, reason in list(status.failures.items())[:_SHOWN]:
        print(f"  failed: {unit}\n          {reason.splitlines()[0]}")
    if status.failed > _SHOWN:
        print(f"  … and {status.failed - _SHOWN} more in failed/")
