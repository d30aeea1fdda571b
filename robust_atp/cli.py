"""The command ``robust-atp``: finds the command, runs it, and says what went wrong in one message."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from robust_atp.errors import UserError

# Command -> what it does. Each is a module of robust_atp.commands of the same name.
COMMANDS = {
    "plan": "print axes, units and answers of a study; loads no model",
    "run": "run a study, or go on with one",
    "status": "done, failed and left, also while it runs",
    "report": "write the page, tables, figures and manifest of a study",
    "show": "kept tokens of one image, clean beside corrupted, arm by arm",
    "verify": "recompute a report's hashes and headline from the records",
    "compare": "the headline of several studies side by side",
    "cite": "how to cite a report",
    "list": "corruptions, pruners, backbones, datasets, experiments, probes, figures or columns",
    "compatibility": "which pruners run on which backbones, and why the others do not; loads no weights",
    "cutlayers": "find the layers after which a backbone's attention to the image shifts",
    "calibrate": "find the energy threshold at which e-adaprune keeps a wanted share on average",
    "export": "write a study's data sets with their corrupted images, as Parquet",
    "corrupt": "corrupt one image",
    "corruptions": "contact sheet of an image; contract check of a new type",
    "phantom": "write the rendered test world as official VQAv2 files",
}

BAD_INPUT = 2
FAILED_UNITS = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input, 3 finished with failed units, 130 Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser(given).parse_args(given)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("robust_atp").setLevel(logging.INFO)
    _make_importable(".")
    try:
        return _module(parsed.command).main(parsed)
    except KeyboardInterrupt:
        print("\ninterrupted; what is done is kept, the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what Python would still flush has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if parsed.debug or not _is_for_the_user(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser = argparse.ArgumentParser(
        prog="robust-atp",
        description="Measures what visual-token pruning does to a vision-language model when the images go bad.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        # A command's module is imported only if it is asked for, which keeps --help fast.
        module = _module(name) if name in given else None
        command = commands.add_parser(
            name,
            help=summary,
            description=(module.__doc__ or "") if module else None,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
        )
        if module:
            module.add_arguments(command)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"robust_atp.commands.{command}")


def _make_importable(folder: str) -> None:
    # A console script does not have the current folder on its path, `python -m robust_atp` does; a study's
    # own `module:name` must not depend on which of the two was typed.
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)


def _is_for_the_user(error: Exception) -> bool:
    from corruptions import CorruptionError

    return isinstance(error, UserError | CorruptionError)
