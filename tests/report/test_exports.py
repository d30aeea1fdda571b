"""What a report leaves for other programs: RO-Crate, LaTeX, and studies side by side."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import Truth, synthetic_records, write_study

from robust_atp.cli import main
from robust_atp.report.analysis import analyse
from robust_atp.report.build import build_report
from robust_atp.report.compare import compare
from robust_atp.report.crate import CRATE
from robust_atp.report.latex import escaped, latex_table
from robust_atp.report.verdict import verdicts
from robust_atp.sweep.results import Results


def test_the_crate_lists_every_file_once_with_its_hash(small_study: Results, tmp_path: Path):
    build_report(small_study, tmp_path)
    graph = {entity["@id"]: entity for entity in json.loads((tmp_path / CRATE).read_text())["@graph"]}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    listed = {part["@id"] for part in graph["./"]["hasPart"]}
    on_disk = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert listed == on_disk - {CRATE, "manifest.json"}
    for entry in manifest["files"]:
        assert graph[entry["path"]]["sha256"] == entry["sha256"]
    assert graph["./"]["identifier"] == manifest["result_id"]
    assert graph["./"]["datePublished"].endswith("+00:00")


def test_the_latex_table_has_a_row_per_arm_and_escapes_names():
    found = verdicts(analyse(synthetic_records(images=40)))
    text = latex_table(found, "ra-123")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "&" in line]
    assert len(rows) == 1 + len(found)
    assert all(row.count("&") == 4 for row in rows)
    assert "ra-123" in text
    assert r"atp 25 \%" in text
    assert escaped(r"a_b & 5 %\x") == r"a\_b \& 5 \%\textbackslash{}x"


def test_studies_stand_side_by_side_arm_by_arm():
    truth = Truth(half_gap={"phantom": 0.0})
    worse = Truth(half_gap={"phantom": 0.0}, clean={"none": 0.75, "random": 0.65, "atp": 0.60})
    table = compare({"one": synthetic_records(truth), "two": synthetic_records(worse)})
    assert table["study"].tolist() == ["one", "two"] * 3
    assert table["pruner"].tolist() == ["none"] * 2 + ["atp"] * 2 + ["random"] * 2
    assert table["clean"].tolist() == pytest.approx([0.75, 0.75, 0.70, 0.60, 0.65, 0.65])
    assert table["excess"].tolist()[2:4] == pytest.approx([0.05, 0.05])
    assert table["excess"].isna().tolist() == [True, True, False, False, False, False]


def test_compare_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first = write_study(tmp_path / "first", synthetic_records(Truth(half_gap={"phantom": 0.0}), images=5))
    second = tmp_path / "second"
    shutil.copytree(first, second)
    assert main(["compare", str(first), str(second), "--csv", str(tmp_path / "out.csv")]) == 0
    assert capsys.readouterr().out.count("atp 25 %") == 2
    assert len(pd.read_csv(tmp_path / "out.csv")) == 6
    assert main(["compare", str(first), str(first)]) == 2
    assert "at least two different folders of studies; got 1" in capsys.readouterr().err
