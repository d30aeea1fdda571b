"""What runs and what is refused: every backbone x data set x pruner of a study, found out by running it.

    python experiments/benchmarks/compatibility_table.py experiments/coco49.yaml --set 'data[0].limit=2'

Of the study, backbones, data sets, corruptions and budgets count; every registered pruner takes part unless --pruner
names some. ``robust-atp compatibility`` says the same of backbones and pruners without weights, and tries nothing.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from robust_atp import load_study, run
from robust_atp.backbones.capabilities import Capabilities
from robust_atp.backbones.checkpoint import find_checkpoint
from robust_atp.backbones.loading import capabilities
from robust_atp.pruning import PRUNERS, build_pruner
from robust_atp.pruning.compatibility import refusal
from robust_atp.sweep.ingredients import spec_of
from robust_atp.sweep.study import BackboneConfig, PrunerConfig, Study

_FAILED = "failed: "


@dataclass(frozen=True)
class Outcome:
    """What became of one pruner on one backbone and data set."""

    backbone: str
    dataset: str
    pruner: str
    reason: str
    """Why it was refused, or why its units failed; empty if neither."""
    answers: int = 0

    @property
    def word(self) -> str:
        """``runs``, ``refused`` before anything was tried, or ``failed``."""
        return "runs" if self.answers else "failed" if self.reason.startswith(_FAILED) else "refused"


def main() -> None:
    """Try everything and print two tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument(
        "--pruner", action="append", metavar="NAME", help="only these; may be given many times"
    )
    arguments = parser.parse_args()
    study = load_study(arguments.study, arguments.settings)
    with tempfile.TemporaryDirectory() as folder:
        found = [
            outcome
            for backbone in study.backbones
            for outcome in outcomes(
                study, backbone, arguments.pruner or PRUNERS.names(), Path(folder) / backbone.name
            )
        ]
    print("\n".join(table(found)))


def outcomes(study: Study, backbone: BackboneConfig, pruners: Sequence[str], out: Path) -> Iterator[Outcome]:
    """Run ``study`` on one of its backbones with those of ``pruners`` that it does not refuse."""
    offered = capabilities(spec_of(backbone), find_checkpoint(backbone.id, backbone.revision))
    refusals = {name: _refusal(name, replace(offered, called=backbone.name)) for name in pruners}
    able = tuple(PrunerConfig(name=name) for name, reason in refusals.items() if reason is None)
    grid = study.grid.model_copy(update={"pruner": able})
    results = run(study.model_copy(update={"backbones": (backbone,), "grid": grid}), out, bar=False)
    counted = results.table(
        "SELECT dataset, split, pruner, count(*) AS n FROM records WHERE score BETWEEN 0 AND 1 GROUP BY ALL"
    )
    answers = counted.set_index(["dataset", "split", "pruner"])["n"].to_dict()
    failure = _FAILED + "; ".join(dict.fromkeys(results.status().failures.values()))
    for config in study.data:
        for name, reason in refusals.items():
            n = answers.get((config.name, config.split, name), 0)
            said = reason or ("" if n else failure)
            yield Outcome(backbone.name, f"{config.name}/{config.split}", name, said, n)


def _refusal(pruner: str, backbone: Capabilities) -> str | None:
    """Why a pruner is refused, without its own name and that of the backbone: many are refused for one reason."""
    reason = refusal(build_pruner(pruner), backbone)
    return reason and reason.removeprefix(f"pruner '{pruner}' ").removeprefix(
        f"on backbone {backbone.title} "
    )


def table(found: Sequence[Outcome]) -> Iterator[str]:
    """Markdown: backbones by data sets with how many pruners ran; pruners by backbones; every reason once."""
    at = {(outcome.backbone, outcome.dataset, outcome.pruner): outcome for outcome in found}
    backbones, datasets, pruners = (list(dict.fromkeys(names)) for names in zip(*at, strict=True))
    yield from _rows(
        "pruners that ran",
        datasets,
        {b: [_ran([at[b, d, p] for p in pruners]) for d in datasets] for b in backbones},
    )
    yield ""
    words = {p: [_word([at[b, d, p] for d in datasets]) for b in backbones] for p in pruners}
    equal = groupby(sorted(pruners, key=words.__getitem__), key=words.__getitem__)
    yield from _rows("pruner", backbones, {", ".join(names): row for row, names in equal})
    yield ""
    for reason in dict.fromkeys(outcome.reason for outcome in found if outcome.reason):
        alike = [outcome for outcome in found if outcome.reason == reason]
        refused, where = (dict.fromkeys(getattr(o, key) for o in alike) for key in ("pruner", "backbone"))
        yield f"- {', '.join(refused)} on {', '.join(where)}: {reason}"


def _ran(outcomes: Sequence[Outcome]) -> str:
    running = [outcome for outcome in outcomes if outcome.word == "runs"]
    return f"{len(running)} of {len(outcomes)} ({sum(outcome.answers for outcome in running)} answers)"


def _word(outcomes: Sequence[Outcome]) -> str:
    """What holds on all data sets alike, or else on which what does."""
    words = {outcome.dataset: outcome.word for outcome in outcomes}
    kinds = set(words.values())
    return kinds.pop() if len(kinds) == 1 else ", ".join(f"{word} on {name}" for name, word in words.items())


def _rows(corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"| {corner} | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for name, cells in rows.items():
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
