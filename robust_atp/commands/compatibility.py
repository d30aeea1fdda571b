"""Print which pruners run on which backbones, and why the others do not. Loads no weights."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust_atp.backbones.capabilities import Capabilities

EXAMPLES = """examples:
  robust-atp compatibility phantom llava-hf/llava-1.5-7b-hf Qwen/Qwen2.5-VL-7B-Instruct
  robust-atp compatibility ./my-checkpoint --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp compatibility``."""
    parser.add_argument(
        "backbones",
        nargs="+",
        metavar="BACKBONE",
        help="a shipped name, a hub id or a folder with a config.json",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a table")


def main(arguments: argparse.Namespace) -> int:
    """Print a Markdown table of pruners by backbones, and below it the refusals."""
    from robust_atp.pruning.compatibility import compatibility

    table = compatibility([_capabilities(name) for name in arguments.backbones])
    if arguments.json:
        print(json.dumps(table, indent=1, ensure_ascii=False))
        return 0
    pruners = next(iter(table.values()))
    print(f"| pruner | {' | '.join(table)} |")
    print(f"|---|{'---|' * len(table)}")
    for pruner in pruners:
        print(f"| {pruner} | {' | '.join('refused' if row[pruner] else 'runs' for row in table.values())} |")
    refusals = [reason for row in table.values() for reason in row.values() if reason]
    if refusals:
        print("\n" + "\n".join(refusals))
    return 0


def _capabilities(name: str) -> "Capabilities":
    from robust_atp.backbones.checkpoint import find_checkpoint
    from robust_atp.backbones.loading import BackboneSpec, capabilities

    return capabilities(BackboneSpec(name), find_checkpoint(name))
