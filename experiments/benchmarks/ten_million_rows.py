"""Report and statistics on a synthetic study of ten million rows: time and peak memory, beside plain pandas and SciPy.

    python -m experiments.benchmarks.ten_million_rows                    # ten million rows
    python -m experiments.benchmarks.ten_million_rows --rows 200000      # a minute or two

Writes a study (see ``large_study``), then measures each side in a process of its own on the same files. *Headline
tables* are accuracy per cell and per arm, and the excess drop per cell and per arm, all with intervals over images.
The plain side computes the same as one would without a toolkit: needed columns into pandas, two merges for the
differences, for each table ``groupby`` of cell and image, and ``scipy.stats.bootstrap`` cell by cell with as many
draws. *All tables* are everything that a report holds; *report* is ``robust-atp report`` and *verify*
``robust-atp verify`` on it.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from experiments.benchmarks.large_study import write_large_study
from robust_atp.image_sums import DRAWS
from robust_atp.query import ARM, CONDITION, POPULATION, at_hand
from robust_atp.report.analysis import analyse
from robust_atp.report.build import build_report
from robust_atp.report.tables.accuracy import accuracy, overview
from robust_atp.report.tables.excess import excess_drop, mean_excess_drop
from robust_atp.report.verify import differences
from robust_atp.sweep.results import open_results

Tables = Mapping[str, pd.DataFrame]

_CELL = [*ARM, *CONDITION]
_SCORES = [*POPULATION, *_CELL, "image_id", "question_id", "score"]


def main() -> None:
    """Write, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--study", type=Path, help="a study that was written before")
    parser.add_argument("--only", choices=SIDES, help="measure one side in this process, print JSON")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only, arguments.study)))
        return
    with tempfile.TemporaryDirectory(prefix="ten-million-rows-") as scratch:
        folder = arguments.study or Path(scratch)
        if not arguments.study:
            write_large_study(folder, arguments.rows)
        print(markdown(folder, {side: in_a_process(side, folder) for side in SIDES}))


def headline(folder: Path) -> Tables:
    """The headline tables as a report makes them."""
    with at_hand(open_results(folder)) as records:
        return {
            "accuracy": accuracy(records),
            "overview": overview(records),
            "excess_drop": excess_drop(records),
            "mean_excess_drop": mean_excess_drop(records),
        }


def plain(folder: Path) -> Tables:
    """The same tables in pandas and SciPy."""
    rows = pd.read_parquet(folder / "units", columns=_SCORES)
    seen = rows[(rows["severity"] > 0) | (rows["intervention"] == "clean")]
    condition = np.where(seen["severity"] > 0, "corrupted", "clean")
    excess = _excess(rows)
    return {
        "accuracy": _bootstrapped(rows, _CELL),
        "overview": _bootstrapped(seen.assign(condition=condition), [*ARM, "condition"]),
        "excess_drop": _bootstrapped(excess, _CELL),
        "mean_excess_drop": _bootstrapped(excess, list(ARM)),
    }


def _excess(rows: pd.DataFrame) -> pd.DataFrame:
    """(Clean - corrupted) of each arm minus the same of the unpruned model, question by question, as ``score``."""
    question = ["image_id", "question_id"]
    clean = rows.loc[rows["intervention"] == "clean", [*ARM, *question, "score"]]
    drops = rows.loc[rows["severity"] > 0, [*_CELL, *question, "score"]].merge(
        clean, on=[*ARM, *question], suffixes=("", "_clean")
    )
    drops["drop"] = drops["score_clean"] - drops["score"]
    whole = drops.loc[drops["pruner"] == "none", [*CONDITION, *question, "drop"]]
    pairs = drops[drops["pruner"] != "none"].merge(whole, on=[*CONDITION, *question], suffixes=("", "_whole"))
    return pairs.assign(score=pairs["drop"] - pairs["drop_whole"])


def _bootstrapped(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean score per value of ``keys`` with SciPy's percentile bootstrap over images."""
    sums = rows.groupby([*keys, "image_id"])["score"].agg(["sum", "count"]).reset_index()
    found = []
    for key, cell in sums.groupby(keys):
        data = (cell["sum"].to_numpy(), cell["count"].to_numpy())
        drawn = bootstrap(data, _ratio, paired=True, n_resamples=DRAWS, method="percentile", rng=0)
        interval = drawn.confidence_interval
        found.append((*key, float(_ratio(*data)), drawn.standard_error, interval.low, interval.high))
    return pd.DataFrame(found, columns=[*keys, "value", "se", "lo", "hi"])


def _ratio(num: np.ndarray, den: np.ndarray, axis: int = -1) -> np.ndarray:
    return num.sum(axis=axis) / den.sum(axis=axis)


def everything(folder: Path) -> Tables:
    """Every table of a report."""
    return analyse(open_results(folder)).tables()


def report(folder: Path) -> Tables:
    """The page and all that belongs to it."""
    build_report(open_results(folder), folder / "report")
    return {}


def verify(folder: Path) -> Tables:
    """Hashes and numbers of that page, computed again."""
    assert not differences(open_results(folder), folder / "report")
    return {}


SIDES: Mapping[str, Callable[[Path], Tables]] = {
    "headline": headline, "plain": plain, "everything": everything, "report": report, "verify": verify,
}  # fmt: skip


def measure(side: str, folder: Path) -> dict[str, Any]:
    """Seconds and peak bytes of one side in this process, and the tables if both sides have them."""
    start, spent = time.perf_counter(), time.process_time()
    tables = SIDES[side](folder)
    seconds, cpu = time.perf_counter() - start, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    shown = tables if side in ("headline", "plain") else {}
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak,
        "tables": {name: table.to_dict("list") for name, table in shown.items()},
    }


def in_a_process(side: str, folder: Path) -> dict[str, Any]:
    """``measure`` in a fresh process, so that its peak is its own."""
    command = [sys.executable, "-m", "experiments.benchmarks.ten_million_rows"]
    command += ["--only", side, "--study", str(folder)]
    print(f"measuring: {side}", file=sys.stderr)
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def markdown(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of what was measured and of how far both sides agree."""
    rows = open_results(folder).table("SELECT count(*) AS n FROM records")["n"].item()
    slow = found["plain"]
    lines = [
        f"{rows:,} rows in {len(open_results(folder).files()):,} files, {DRAWS} draws; {platform.machine()}, "
        f"{os.cpu_count()} threads.",
        "",
        "| | wall s | CPU s | pandas and SciPy take (wall, CPU) | peak GB |",
        "|---|---|---|---|---|",
    ]
    for side, one in found.items():
        times = [f"{slow[unit] / one[unit]:.1f} ×" for unit in ("seconds", "cpu")]
        ratio = ", ".join(times) if side == "headline" else ""
        lines.append(
            f"| {side} | {one['seconds']:.0f} | {one['cpu']:.0f} | {ratio} | {one['peak'] / 1e9:.2f} |"
        )
    lines += ["", "| table | cells | largest difference of values | of SE, relative | of limits, in SE |"]
    lines += ["|---|---|---|---|---|"]
    for name in slow["tables"]:
        compared = agreement(*(pd.DataFrame(found[side]["tables"][name]) for side in ("headline", "plain")))
        lines.append(f"| {name} | " + " | ".join(compared) + " |")
    return "\n".join(lines)


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[str, ...]:
    """Cells, and the largest differences between two tables of the same cells."""
    keys = [column for column in theirs if column not in ("value", "se", "lo", "hi")]
    both = ours.merge(theirs, on=keys, suffixes=("", "_plain"), validate="one_to_one")
    assert len(both) == len(theirs) == len(ours)
    error = both["se_plain"] if "se_plain" in both else both["se"]
    value = (both["value"] - both["value_plain"]).abs().max()
    limits = max(((both[limit] - both[f"{limit}_plain"]).abs() / error).max() for limit in ("lo", "hi"))
    # A table without errors of its own has its limits from the same draws.
    se = f"{(both['se'] / both['se_plain'] - 1).abs().max():.1%}" if "se" in ours else "-"
    return str(len(both)), f"{value:.0e}", se, f"{limits:.2f}"


if __name__ == "__main__":
    main()
