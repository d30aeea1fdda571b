"""Find the layers after which a backbone's attention to the image shifts, for AdaptInfer to cut there."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from robust_atp.commands.study_arguments import backbone_of

if TYPE_CHECKING:
    import numpy as np

    from robust_atp.backbones.seam import Backbone
    from robust_atp.sweep.study import Study

EXAMPLES = """examples:
  robust-atp cutlayers phantom --data experiments/embedded.yaml
  robust-atp cutlayers llava-hf/llava-1.5-7b-hf --data study.yaml --questions 1000 --out cuts.yaml"""

_IMAGES_AT_ONCE = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp cutlayers``."""
    parser.add_argument(
        "backbone", metavar="BACKBONE", help="one of the study's backbones, a hub id or a folder"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="STUDY.yaml",
        help="study file whose clean images to look at",
    )
    parser.add_argument(
        "--questions", type=int, default=1000, metavar="N", help="at most so many (default: 1000)"
    )
    parser.add_argument(
        "--penalty", type=float, metavar="P", help="PELT with this penalty instead of one shift a token"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.yaml", help="write here as well")


def main(arguments: argparse.Namespace) -> int:
    """Count shifts, choose three layers and print them as a study file takes them."""
    from functools import partial

    from robust_atp.errors import UserError
    from robust_atp.pruning.cut_layers import all_changes, count_shifts, one_change
    from robust_atp.sweep.ingredients import load
    from robust_atp.sweep.study_file import load_study

    if arguments.questions < 1:
        raise UserError(f"--questions must be at least 1; got {arguments.questions}")
    study = load_study(arguments.data)
    config = backbone_of(study, arguments.backbone)
    backbone = load(config)
    search = one_change if arguments.penalty is None else partial(all_changes, penalty=arguments.penalty)
    layers = backbone.shape.layers
    shifts = count_shifts(_profiles(backbone, study, arguments.questions), layers, search)
    histogram = ", ".join(f"{layer}: {count}" for layer, count in enumerate(shifts.counts.tolist(), 1))
    text = (
        f"# Shifts of attention to the image after each of {layers} layers of {config.name}\n"
        f"# ({backbone.revision}), {shifts.prompts} questions: {{{histogram}}}\n"
        "# In a study file this is an entry of grid.pruner.\n"
        f"{{name: adaptinfer, after: {shifts.cuts()}, layers: {layers}}}\n"
    )
    print(text, end="")
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    return 0


def _profiles(backbone: "Backbone", study: "Study", limit: int) -> Iterator["np.ndarray"]:
    """Text-to-vision attention [L, N] of the first questions of the study's data sets, on clean images."""
    from itertools import islice

    from robust_atp.pruning import keep_indices

    examples = (
        (dataset, example) for dataset in (c.load() for c in study.data) for example in dataset.examples()
    )
    chosen = list(islice(examples, limit))
    for start in range(0, len(chosen), _IMAGES_AT_ONCE):
        batch = chosen[start : start + _IMAGES_AT_ONCE]
        tokens = backbone.encode([dataset.image(example.image_id) for dataset, example in batch], frozenset())
        kept = keep_indices(tokens, [range(len(image.features)) for image in tokens], "original")
        for profile in backbone.text_to_vision(kept, [example.question for _, example in batch]):
            yield profile.cpu().numpy()
