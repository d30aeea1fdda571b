"""List what a study file can name, one line each, and the columns of the records."""

import argparse
import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust_atp.pruning import Method

EXAMPLES = """examples:
  robust-atp list corruptions
  robust-atp list pruners --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``robust-atp list``."""
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object of names and what is said about them"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print names, each with one line about it."""
    listing = KINDS[arguments.kind]()
    if arguments.json:
        print(json.dumps(listing, indent=1, ensure_ascii=False))
        return 0
    width = max(map(len, listing), default=0)
    for name, description in listing.items():
        print(f"{name:<{width}}  {_line(description)}")
    return 0


def _line(description: str | Mapping[str, Any]) -> str:
    if isinstance(description, str):
        return description
    facts = [description["summary"], f"cuts {description['cuts']}"]
    if description["needs"]:
        facts.append(f"needs {', '.join(description['needs'])}")
    facts.append("trained" if description["trained"] else "not trained")
    return "; ".join(facts + ([description["paper"]] if description["paper"] else []))


def _corruptions() -> dict[str, str]:
    from corruptions import names
    from corruptions.registry import find

    found = {name: find(name) for name in names("registered")}
    return {name: f"{corruption.family}: {corruption.summary}" for name, corruption in found.items()}


def _pruners() -> dict[str, dict[str, Any]]:
    from robust_atp.pruning import PRUNERS, build_pruner

    return {name: _facts(build_pruner(name)) for name in PRUNERS.names()}


def _facts(method: "Method") -> dict[str, Any]:
    return {
        "summary": method.summary,
        "cuts": method.placement,
        "needs": sorted(method.needs) + (["question embedding"] if method.needs_text else []),
        "trained": method.trained,
        "paper": method.paper,
    }


def _backbones() -> dict[str, str]:
    from robust_atp.backbones import FAMILIES, SHIPPED

    shipped = dict.fromkeys(SHIPPED, "ships with the package")
    return shipped | {f"<{family}>": "any folder or hub id of this model_type" for family in FAMILIES.names()}


def _datasets() -> dict[str, str]:
    from robust_atp.data import DATASETS

    modules = {name: inspect.getmodule(DATASETS.get(name)) for name in DATASETS.names()}
    return {name: (inspect.getdoc(module) or "").partition("\n")[0] for name, module in modules.items()}


def _experiments() -> dict[str, str]:
    from robust_atp.sweep.experiments import EXPERIMENTS

    found = {name: EXPERIMENTS.get(name) for name in EXPERIMENTS.names()}
    return {name: f"{experiment.summary}; needs {experiment.needs}" for name, experiment in found.items()}


def _probes() -> dict[str, str]:
    from robust_atp.probes.probe import PROBES

    probes = {name: PROBES.get(name) for name in PROBES.names()}
    facts = {
        name: (probe.summary, f"needs {probe.needs}", probe.on_phantom) for name, probe in probes.items()
    }
    return {name: "; ".join(str(fact) for fact in known if fact) for name, known in facts.items()}


def _figures() -> dict[str, str]:
    from robust_atp.report.illustrations import ILLUSTRATORS

    return {name: ILLUSTRATORS.get(name).summary for name in ILLUSTRATORS.names()}


def _columns() -> dict[str, str]:
    from robust_atp.records import columns

    return columns()


KINDS: dict[str, Callable[[], Mapping[str, str | Mapping[str, Any]]]] = {
    "corruptions": _corruptions,
    "pruners": _pruners,
    "backbones": _backbones,
    "datasets": _datasets,
    "experiments": _experiments,
    "probes": _probes,
    "figures": _figures,
    "columns": _columns,
}
