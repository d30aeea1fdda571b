"""The phantom, our rendered test world of known truth, as official VQAv2 files with object masks."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  robust-atp phantom export phantom-test --images 200
  robust-atp phantom export phantom-neutral --world neutral --split val"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp phantom``."""
    from robust_atp.phantom.split import SPLITS
    from robust_atp.phantom.world import WORLDS

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write images, masks, questions.json and annotations.json")
    export.add_argument("folder", type=Path, metavar="DIR", help="new or empty folder")
    export.add_argument("--split", choices=SPLITS, default="test", help="held-out split (default: test)")
    export.add_argument("--images", type=_count, default=48, metavar="N", help="scenes (default: 48)")
    export.add_argument(
        "--world",
        choices=WORLDS,
        default="balanced",
        help="how often the background suggests the shape asked for: balanced 50 %%, neutral 17 %%, shortcut 95 %%",
    )


def main(arguments: argparse.Namespace) -> int:
    """Write the files and say how to read them."""
    from robust_atp.errors import UserError
    from robust_atp.phantom.export import IMAGE_NAME, export

    folder: Path = arguments.folder
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(
            f"{folder} must be a new or an empty folder; it holds something, and nothing was written"
        )
    try:
        questions = export(folder, arguments.split, arguments.images, arguments.world)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    pattern = IMAGE_NAME.format(split=arguments.split, image_id=0).replace(f"{0:012d}", "{image_id:012d}")
    print(
        f"{questions} questions about {arguments.images} scenes: {folder}\n"
        "in a study file:\n"
        f"  data: [{{name: vqav2, split: {arguments.split}, questions: questions.json, annotations: annotations.json,\n"
        f"          images_folder: images, image_name: '{pattern}'}}]"
    )
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got '{text}'")
    return int(text)
