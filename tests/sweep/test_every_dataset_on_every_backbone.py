"""Every data set, from small official files, on every family of backbones: what is not refused answers everything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from backbone_table import ROWS
from official_files import write_official_files
from tiny_blip2 import LANGUAGES, tiny_blip2
from tiny_flamingo import tiny_flamingo

from experiments.benchmarks.compatibility_table import Outcome, outcomes, table
from robust_atp import load_study
from robust_atp.data import DATASETS


@dataclass(frozen=True)
class Family:
    """A backbone, two pruners that run on it and those that do not, with a part of the message."""

    name: str
    build: Callable[[Path], object] | None = None  # None: it ships with the package
    options: dict[str, Any] = field(default_factory=dict)
    runs: tuple[str, str] = ("divprune", "uniform-grid")
    refused: Mapping[str, str] = field(default_factory=lambda: {"fastv": "cuts inside the decoder"})


QUERIES: dict[str, Any] = {"options": {"prunes": "queries"}, "runs": ("divprune", "random")}
FAMILIES = [
    Family("tiny-llava", ROWS[0].build, runs=("atp", "fastv"), refused={"heatvit": "has no weights"}),
    Family("tiny-next", ROWS[1].build, runs=("atp", "fastv"), refused={"resize": "run once for an image"}),
    Family("tiny-qwen", ROWS[3].build, runs=("divprune", "fastv"), refused={"atp": "no space in which"}),
    Family("tiny-opt", lambda folder: tiny_blip2(folder, LANGUAGES["opt"]())),
    Family("tiny-t5", lambda folder: tiny_blip2(folder, LANGUAGES["t5"]()), **QUERIES),
    Family("tiny-flamingo", tiny_flamingo, runs=("atp", "cls-attention")),
    Family("phantom", runs=("heatvit", "atp-llava"), refused={}),
    Family("phantom-blip2", runs=("atp", "cls-attention")),
    Family("phantom-flamingo", **QUERIES),
]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Family, list[Outcome]]:
    family, folder = request.param, tmp_path_factory.mktemp("matrix")
    data = write_official_files(folder / "data")
    source = family.name
    if family.build is not None:
        family.build(folder / family.name)
        source = str(folder / family.name)
    backbone = {"id": source, "options": family.options, "max_new_tokens": 3}
    document = {
        "name": "matrix", "backbones": [backbone], "data_root": "data", "data": data,
        "grid": {"corruption": ["fog"], "severity": [3], "keep": [0.5]},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(document))
    study = load_study(folder / "study.yaml")
    pruners = [*family.runs, *family.refused]
    return family, list(outcomes(study, study.backbones[0], pruners, folder / "out"))


def test_what_is_not_refused_answers_every_question(found: tuple[Family, list[Outcome]]) -> None:
    family, tried = found
    assert {outcome.dataset.partition("/")[0] for outcome in tried} == set(DATASETS.names())
    running = {o.word: o.reason for o in tried if o.pruner in family.runs}
    assert running == {"runs": ""}


def test_what_cannot_run_says_so_before_anything_does(found: tuple[Family, list[Outcome]]) -> None:
    family, tried = found
    for name, message in family.refused.items():
        refused = [outcome for outcome in tried if outcome.pruner == name]
        assert {outcome.word for outcome in refused} == {"refused"}
        assert all(message in outcome.reason for outcome in refused)


def test_the_table_counts_what_ran_and_gives_every_reason_once(
    found: tuple[Family, list[Outcome]],
) -> None:
    family, tried = found
    lines = list(table(tried))
    (row,) = (line for line in lines if line.startswith(f"| {family.name} |"))
    assert row.count(f" 2 of {2 + len(family.refused)} (") == len(DATASETS.names())
    assert f"| {', '.join(family.runs)} | runs |" in lines
    reasons = [f"- {o.pruner} on {family.name}: {o.reason}" for o in tried if o.reason]
    assert [line for line in lines if line.startswith("- ")] == list(dict.fromkeys(reasons))
