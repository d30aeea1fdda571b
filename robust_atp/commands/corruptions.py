"""Look at corruptions (sheet), see whether a new type keeps the contract (check), measure severities (calibrate).

``check`` exits with 1 if a rule is broken.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corruptions.calibrate import Calibration

EXAMPLES = """examples:
  robust-atp corruptions sheet photo.jpg sheet.png
  robust-atp corruptions sheet photo.jpg weather.png --names weather my_types.py:rolling_shutter
  robust-atp corruptions check my_types.py:rolling_shutter
  robust-atp corruptions calibrate photos/ --names common
  robust-atp corruptions calibrate photos/ --names common --results runs/mine
  robust-atp corruptions calibrate photos/ --names fog pixelate --matched-psnr 26 23 20 17 14 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``robust-atp corruptions sheet``, ``check`` and ``calibrate``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sheet = actions.add_parser("sheet", help="every type at every severity on one page")
    sheet.add_argument("source", type=Path, metavar="IN", help="image file")
    sheet.add_argument("target", type=Path, metavar="OUT.png", help="image file")
    _add_names(sheet, "all")
    sheet.set_defaults(action=_sheet)
    check = actions.add_parser("check", help="does a new type keep the contract?")
    check.add_argument("name", metavar="MODULE:NAME", help="module:name, file.py:name or a registered name")
    check.set_defaults(action=_check)
    calibrate = actions.add_parser("calibrate", help="what the severities mean on your images")
    calibrate.add_argument("source", type=Path, metavar="IN", help="image file, or a folder of images")
    _add_names(calibrate, "common")
    calibrate.add_argument(
        "--results", type=Path, metavar="DIR", help="finished study: adds the unpruned model's accuracy"
    )
    calibrate.add_argument(
        "--matched-psnr",
        type=float,
        nargs=5,
        metavar="DB",
        help="five falling PSNR: print ladders that have them",
    )
    calibrate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    calibrate.set_defaults(action=_calibrate)


def _add_names(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--names",
        nargs="+",
        default=[default],
        metavar="NAME",
        help=f"groups (common, extra, all, noise, …) and types (fog, my_types.py:mine, …); default {default}",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="noise seed (default 0)")


def main(arguments: argparse.Namespace) -> int:
    """Run the action that was asked for."""
    return arguments.action(arguments)


def _expanded(names: Iterable[str]) -> list[str]:
    from corruptions import names as names_of
    from corruptions.registry import SUBSETS
    from robust_atp.errors import unknown

    allowed = [*SUBSETS, *names_of("registered")]
    for entry in names:
        if entry not in allowed and ":" not in entry:
            raise unknown("corruption or group", entry, allowed)
    return [name for entry in names for name in (names_of(entry) if entry in SUBSETS else [entry])]


def _sheet(arguments: argparse.Namespace) -> int:
    from corruptions.contact_sheet import contact_sheet
    from robust_atp.data.images import read_rgb, write_rgb

    image = read_rgb(arguments.source)
    write_rgb(contact_sheet(image, _expanded(arguments.names), seed=arguments.seed), arguments.target)
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


def _calibrate(arguments: argparse.Namespace) -> int:
    from corruptions.calibrate import calibrate, matched
    from robust_atp.data.images import read_folder

    images, names = read_folder(arguments.source), _expanded(arguments.names)
    if arguments.matched_psnr:
        ladders = {name: matched(images, name, arguments.matched_psnr, seed=arguments.seed) for name in names}
        print(json.dumps({name: dict(ladder.severity) for name, ladder in ladders.items()}, indent=1))
        return 0
    accuracy = _unpruned_accuracy(arguments.results) if arguments.results else None
    found = calibrate(images, names, seed=arguments.seed, accuracy=accuracy)
    if arguments.json:
        print(json.dumps([asdict(calibration) for calibration in found], indent=1))
    else:
        print(f"{len(images)} images; mean PSNR in dB and mean SSIM, severity 1 to 5")
        for calibration in found:
            _print(calibration)
    return 0


def _unpruned_accuracy(folder: Path) -> dict[tuple[str, int], float]:
    from robust_atp import open_results

    rows = open_results(folder).table(
        "SELECT intervention, severity, avg(score) AS accuracy FROM records "
        "WHERE pruner = 'none' AND severity > 0 GROUP BY ALL"
    )
    cells = zip(rows["intervention"], rows["severity"], rows["accuracy"], strict=True)
    return {(name, int(severity)): float(accuracy) for name, severity, accuracy in cells}


def _print(calibration: "Calibration") -> None:
    levels = calibration.levels
    print(f"{levels[0].corruption:<20}", "  ".join(f"{level.psnr:5.1f}" for level in levels), end="   ")
    print("  ".join(f"{level.ssim:4.2f}" for level in levels))
    if any(level.accuracy is not None for level in levels):
        shares = ("  –  " if level.accuracy is None else f"{100 * level.accuracy:5.1f}" for level in levels)
        print(f"{'  accuracy, %':<20}", "  ".join(shares))
    for remark in calibration.remarks:
        print(f"  note: {remark}")
