"""Print what a study amounts to: axes, units, answers, and what is on disk already. Loads no model."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from robust_atp.commands.study_arguments import add_study

if TYPE_CHECKING:
    from robust_atp.sweep.plan import Plan
    from robust_atp.sweep.study import Study

EXAMPLES = """examples:
  robust-atp plan experiments/embedded.yaml
  robust-atp plan experiments/embedded.yaml --set grid.severity=[5] --set data[0].images=12
  robust-atp plan experiments/embedded.yaml --out runs/embedded"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp plan``."""
    add_study(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="also count what this folder holds already")


def main(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from robust_atp.sweep.ingredients import outline
    from robust_atp.sweep.store import Store
    from robust_atp.sweep.study_file import load_study

    study = load_study(arguments.study, arguments.settings)
    plan, unreachable = outline(study)
    lines = dict(_axes(study, plan))
    if arguments.out is not None and unreachable:
        lines["on disk"] = "not known without the revisions of all backbones"
    elif arguments.out is not None:
        lines["on disk"] = f"{len(Store(arguments.out).done(plan.units))} of {len(plan.units)} units"
    for name, text in lines.items():
        print(f"{name:<14}{text}")
    for error in unreachable.values():
        print(f"{'note':<14}{error}; whether it can do its arms was not checked")
    return 0


def _axes(study: "Study", plan: "Plan") -> Iterator[tuple[str, str]]:
    from robust_atp.pruning import label
    from robust_atp.sweep.experiments import EXPERIMENTS
    from robust_atp.sweep.participation import participation

    grid, count = study.grid, len(plan.interventions)
    yield "study", study.name
    yield (
        "backbones",
        ", ".join(f"{name} ({b['revision'][:12]})" for name, b in plan.identity["backbones"].items()),
    )
    yield "data", ", ".join(map(_dataset, plan.identity["data"]))
    yield "corruptions", ", ".join(grid.corruption) or "none"
    yield "severities", ", ".join(map(str, grid.severity))
    yield "controls", ", ".join(grid.control) or "none"
    yield "noise seeds", ", ".join(map(str, study.noise_seeds))
    yield "arms", ", ".join(f"{label(arm.pruner, arm.options)} @ {arm.keep:g}" for arm in plan.arms)
    yield "budget", grid.budget
    yield "images", f"{len({(u.dataset, u.split, image) for u in plan.units for image in u.images})}"
    yield (
        "units",
        f"{len(plan.units)}   (each up to {study.shard_images} images, one of {count} interventions)",
    )
    yield "answers", f"{plan.answers}   (each question x {count} interventions x {len(plan.arms)} arms)"
    asked = plan.answers // count // len(plan.arms)
    for name, part in participation(study).items():
        needs = EXPERIMENTS.get(name).needs
        yield (
            name,
            f"{asked * part.answers} more, where there are {needs}   (each question x {part.interventions} "
            f"interventions x {len(part.arms)} arms x {len(part.variants)}: {', '.join(part.variants)})"
            + "".join(f"\n{'':<14}without {arm}: it {reason}" for arm, reason in part.left_out.items()),
        )


def _dataset(identity: Mapping[str, str]) -> str:
    revision = f" ({identity['revision'][:12]})" if "revision" in identity else ""
    return f"{identity['name']}/{identity['split']}{revision}"
