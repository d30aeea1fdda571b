"""Find the share of spectral energy at which E-AdaPrune keeps a wanted share of the tokens on average.

Calibrate on images that the study does not ask about. Shipped backbones have a split of the phantom for this; others
are measured on the clean images of a data set of a study file.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_atp.commands.study_arguments import backbone_of

if TYPE_CHECKING:
    from robust_atp.backbones.seam import Backbone, VisionTokens
    from robust_atp.data import Dataset
    from robust_atp.pruning.calibration import Calibration
    from robust_atp.pruning.energy import SpectralEnergy
    from robust_atp.sweep.study import Study

EXAMPLES = """examples:
  robust-atp calibrate phantom --mean-keep 0.25
  robust-atp calibrate phantom --mean-keep 0.25 --pruner '{name: e-adaprune, ranker: atp, tokens: tower}'
  robust-atp calibrate llava-hf/llava-1.5-7b-hf --mean-keep 0.11 --data held-out.yaml --split vqav2/train
  robust-atp calibrate phantom --mean-keep 0.25 --images 500 --out tau.yaml"""

_IMAGES_AT_ONCE = 16
_VARIANTS = ("raw", "centred", "normalised")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp calibrate``."""
    parser.add_argument(
        "backbone", metavar="BACKBONE", help="one of the study's backbones, a hub id or a folder"
    )
    parser.add_argument(
        "--mean-keep",
        type=float,
        required=True,
        metavar="SHARE",
        help="share of the tokens to keep on average",
    )
    parser.add_argument(
        "--pruner",
        default="e-adaprune",
        metavar="ENTRY",
        help="as a study file names it, without tau; with a variant only that one is calibrated (default: e-adaprune)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="STUDY.yaml",
        help="study file with the images to measure (default, for shipped backbones: the phantom's split for this)",
    )
    parser.add_argument(
        "--split", metavar="NAME/SPLIT", help="which data set of the study file, if it has several"
    )
    parser.add_argument("--images", type=int, default=200, metavar="N", help="at most so many (default: 200)")
    parser.add_argument("--out", type=Path, metavar="FILE.yaml", help="write here as well")


def main(arguments: argparse.Namespace) -> int:
    """Measure spectra, find a threshold for each variant and print them as a study file takes them."""
    from robust_atp.errors import UserError
    from robust_atp.pruning.calibration import calibrate_all
    from robust_atp.sweep.ingredients import load
    from robust_atp.sweep.study_file import load_study

    if not 0 < arguments.mean_keep < 1:
        raise UserError(f"--mean-keep must be between 0 and 1, both excluded; got {arguments.mean_keep:g}")
    if arguments.images < 1:
        raise UserError(f"--images must be at least 1; got {arguments.images}")
    entry, budgets = _budgets(arguments.pruner)
    study = None if arguments.data is None else load_study(arguments.data)
    config = backbone_of(study, arguments.backbone)
    dataset = _dataset(study, arguments, config.id)
    backbone = load(config)
    images = _encoded(backbone, dataset, budgets, arguments.images)
    found = calibrate_all(images, arguments.mean_keep, budgets)
    count = len(next(iter(found.values())).counts)
    text = (
        f"# tau at which {entry['name']} keeps {arguments.mean_keep:g} of the visual tokens on average, on {count}\n"
        f"# clean images of {dataset.name}/{dataset.split}, backbone {config.name} ({backbone.revision}).\n"
        f"{_table(found)}# In a study file each of these is an entry of grid.pruner; keep then only names the arm.\n"
        f"{_entries(entry, found)}"
    )
    print(text, end="")
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    return 0


def _budgets(text: str) -> tuple[dict[str, Any], dict[str, "SpectralEnergy"]]:
    """The pruner's entry without tau and variant, and its spectral budget in each variant to calibrate."""
    from dataclasses import replace

    import yaml

    from robust_atp.errors import UserError
    from robust_atp.pruning import build_pruner
    from robust_atp.pruning.building import named
    from robust_atp.pruning.energy import SpectralEnergy

    try:
        name, options = named("--pruner", yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"--pruner is no valid YAML: {text}") from error
    method = build_pruner(name, options)
    budget = method.budget if method.inside is None else method.inside.budget
    if not isinstance(budget, SpectralEnergy):
        raise UserError(f"--pruner must have a budget of spectral energy, as e-adaprune has; got '{name}'")
    variants = (options["variant"],) if "variant" in options else _VARIANTS
    entry = {"name": name} | {key: value for key, value in options.items() if key not in ("tau", "variant")}
    return entry, {variant: replace(budget, variant=variant) for variant in variants}


def _dataset(study: "Study | None", arguments: argparse.Namespace, backbone_id: str) -> "Dataset":
    from robust_atp.backbones import SHIPPED
    from robust_atp.data import load_dataset
    from robust_atp.errors import UserError, unknown

    split = arguments.split
    if study is None and split is not None:
        raise UserError("--split names a data set of a study file: give --data too")
    if study is None and backbone_id not in SHIPPED:
        raise UserError(
            f"backbone '{backbone_id}' was not made for the phantom's scenes: give --data, a study file that names "
            "held-out images"
        )
    if study is None:
        return load_dataset({"name": "phantom", "split": "calibration", "images": arguments.images})
    configs = {f"{config.name}/{config.split}": config for config in study.data}
    if split is None and len(configs) > 1:
        raise UserError(f"the study file has several data sets, --split must be one of: {', '.join(configs)}")
    if split is not None and split not in configs:
        raise unknown("--split", split, configs)
    return configs[split or next(iter(configs))].load()


def _encoded(
    backbone: "Backbone", dataset: "Dataset", budgets: Mapping[str, "SpectralEnergy"], limit: int
) -> Iterator["VisionTokens"]:
    """Tokens of the first images of a data set, clean."""
    from tqdm import tqdm

    needs = frozenset[str]().union(*(budget.needs for budget in budgets.values()))
    image_ids = list(dict.fromkeys(example.image_id for example in dataset.examples()))[:limit]
    starts = range(0, len(image_ids), _IMAGES_AT_ONCE)
    for start in tqdm(starts, unit="batch", disable=not sys.stderr.isatty()):
        batch = [dataset.image(image_id) for image_id in image_ids[start : start + _IMAGES_AT_ONCE]]
        yield from backbone.encode(batch, needs)


def _table(found: Mapping[str, "Calibration"]) -> str:
    """What the threshold of each variant keeps, as comment lines."""
    lines = [f"# {'variant':<12}{'kept':>7}{'mean K':>9}{'sd':>7}{'least':>7}{'most':>6}\n"]
    for variant, at in found.items():
        lines.append(
            f"# {variant:<12}{at.mean_keep:>7.3f}{at.mean_count:>9.2f}{at.deviation:>7.2f}"
            f"{min(at.counts):>7}{max(at.counts):>6}\n"
        )
    return "".join(lines)


def _entries(entry: Mapping[str, Any], found: Mapping[str, "Calibration"]) -> str:
    import yaml

    calibrated = [{**entry, "variant": variant, "tau": at.tau} for variant, at in found.items()]
    return yaml.safe_dump(calibrated, default_flow_style=None, sort_keys=False, width=1000)
