"""Run a study into a folder, or go on with what an earlier run of it left there.

Exit codes: 0 all units done, 2 bad input, 3 finished, but some units failed (listed; the next run tries them
again), 130 interrupted.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

from robust_atp.commands.status import print_failures
from robust_atp.commands.study_arguments import add_study

EXAMPLES = """examples:
  robust-atp run experiments/embedded.yaml --out runs/embedded
  robust-atp run experiments/embedded.yaml --out runs/embedded --executor ray --workers 2
  robust-atp run experiments/coco49.yaml --out runs/coco --set data_root=/data/coco49
  robust-atp run study.yaml --out /nfs/study --executor ray --address auto   (on a cluster, in ray job submit)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp run``."""
    add_study(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the records")
    parser.add_argument(
        "--executor", default="inline", help="inline: in this process (default); ray: local or on a cluster"
    )
    parser.add_argument(
        "--address",
        default="auto",
        help="Ray cluster: local, an address, or auto: RAY_ADDRESS if set, else local (default)",
    )
    parser.add_argument("--workers", type=_count, metavar="N", help="processes; by default as many as fit")
    parser.add_argument(
        "--gpus-per-worker", type=float, metavar="X", help="by default 1 if a backbone runs on cuda, else 0"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the study and sum up."""
    from robust_atp.cli import FAILED_UNITS
    from robust_atp.sweep.run import run
    from robust_atp.sweep.study_file import load_study

    start = time.monotonic()
    results = run(
        load_study(arguments.study, arguments.settings),
        arguments.out,
        executor=arguments.executor,
        workers=arguments.workers,
        address=arguments.address,
        gpus=arguments.gpus_per_worker,
    )
    status = results.status()
    print(
        f"{status.done} units done, {status.failed} failed, in {time.monotonic() - start:.0f} s: {results.folder}"
    )
    if not status.complete:
        print_failures(status)
        print(f"to try them again: robust-atp {shlex.join(sys.argv[1:])}")
        return FAILED_UNITS
    print(f"next: robust-atp report {results.folder}")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got '{text}'")
    return int(text)
