"""The report says what was declared, what it does otherwise, and how a paper should put it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic_study import Truth, synthetic_records, write_study

from robust_atp.cli import main
from robust_atp.declaration import ENDPOINTS, Declaration
from robust_atp.errors import UserError
from robust_atp.report.deviations import declaration_record, deviations, standing, used_declaration
from robust_atp.report.methods import methods_text
from robust_atp.sweep.results import Results, open_results

DECLARED = {"margin": 0.02, "margin_reason": "the spread of five seeds", "primary": ["clean_noninferiority"]}


@pytest.fixture(scope="module")
def few(truth: Truth) -> pa.Table:
    return synthetic_records(Truth(half_gap={"phantom": 0.0}), images=8, severities=(5,))


@pytest.fixture(scope="module")
def study(few: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_study(tmp_path_factory.mktemp("declared"), few, DECLARED))


@pytest.fixture(scope="module")
def undeclared(few: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_study(tmp_path_factory.mktemp("undeclared"), few))


def test_a_study_is_judged_as_it_declared(study: Results):
    used = used_declaration(study)
    assert used == Declaration.model_validate(DECLARED)
    assert deviations(study, used) == []
    assert standing(study).startswith("The analysis was declared before the first unit, on 20")


def test_a_study_without_declaration_is_judged_by_the_defaults_and_says_so(undeclared: Results):
    assert used_declaration(undeclared) == Declaration()
    assert deviations(undeclared, Declaration()) == []
    assert "was not declared" in standing(undeclared)


def test_a_setting_of_the_report_is_a_deviation(study: Results):
    used = used_declaration(study, ["analysis.margin=0.05"])
    assert used.primary == ("clean_noninferiority",)
    assert deviations(study, used) == ["Declared and then changed: analysis.margin: 0.02 -> 0.05."]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grid.keep=0.5", "a report can only change how records are judged"),
        ("analysis=1", "a report can only change how records are judged"),
        ("analysis.margn=0.05", "did you mean 'margin'?"),
        ("analysis.alpha=0.7", "analysis.alpha  must be less than 0.5, got 0.7"),
        ("margin", "--set takes key=value"),
    ],
)
def test_settings_of_anything_else_are_refused(study: Results, setting: str, message: str):
    with pytest.raises(UserError) as caught:
        used_declaration(study, [setting])
    assert message in str(caught.value)


def test_an_edited_study_file_is_a_deviation(few: pa.Table, tmp_path: Path):
    folder = write_study(tmp_path, few, DECLARED)
    path = folder / "study.yaml"
    path.write_text(path.read_text().replace("margin: 0.02", "margin: 0.2"))
    edited = open_results(folder)
    assert deviations(edited, used_declaration(edited)) == [
        "Declared and then changed: analysis.margin: 0.02 -> 0.2."
    ]


def test_missing_units_and_arms_are_deviations(few: pa.Table, tmp_path: Path):
    folder = write_study(tmp_path / "units", few)
    next(folder.glob("units/*/phantom-fog-5.parquet")).unlink()
    (unfinished,) = deviations(open_results(folder), Declaration())
    assert "4 of 5 units are recorded, 0 failed" in unfinished
    without_atp = few.filter(pc.not_equal(few["pruner"], "atp"))
    found = deviations(open_results(write_study(tmp_path / "arms", without_atp)), Declaration())
    assert found == ["phantom: the arm atp at keep 0.25 was planned and has no records."]


def test_lost_images_are_a_deviation(few: pa.Table, tmp_path: Path):
    lost = pc.and_(pc.equal(few["intervention"], "fog"), pc.equal(few["image_id"], "7"))
    found = deviations(open_results(write_study(tmp_path, few.filter(pc.invert(lost)))), Declaration())
    assert found == ["phantom on phantom/test: some cells lack answers: 28 to 32 questions on 7 to 8 images."]


def test_methods_paragraph_states_what_the_study_holds(study: Results):
    used = used_declaration(study)
    manifest = {
        "identity": {
            "backbones": {"phantom": {"id": "org/phantom", "revision": "abc123", "dtype": "float32"}}
        },
        "environment": {"records": {"torch": "2.9"}},
        "tool": {"name": "robust-atp", "version": "0.1.0"},
        "result_id": "ra-0123456789ab",
    }
    text = methods_text(study, manifest, used, standing(study), declaration_record(study, used))
    for said in (
        "phantom (org/phantom, revision abc123, float32)",
        "phantom (test; 32 questions on 8 images)",
        "exact match",
        "atp and random at nominal budgets of 25 % (original position ids; 49 tokens",
        "2 corruptions (gaussian noise, fog) at severity 5, with 1 noise seed",
        "Control images: blank and shuffled.",
        "2,000 joint bootstrap draws",
        ENDPOINTS["clean_noninferiority"],
        "margin was 2 points (the spread of five seeds)",
        "Nothing deviates from it.",
        "robust-atp 0.1.0 and torch 2.9",
        "ra-0123456789ab",
    ):
        assert said in text
    assert ENDPOINTS["mean_excess_drop"] not in text


@pytest.fixture(scope="module")
def report(study: Results) -> Iterator[Path]:
    """A report with another margin than declared, without figures: they take most of the time and none of this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robust_atp.report.build._draw", lambda *_: ([], {}))
        assert main(["report", str(study.folder), "--set", "analysis.margin=0.05"]) == 0
        yield study.folder / "report"


def test_page_methods_summary_and_manifest_state_the_deviation(report: Path):
    html = (report / "report.html").read_text()
    assert "Primary endpoints" in html
    assert "analysis.margin: 0.02 -&gt; 0.05" in html
    assert "The non-inferiority margin was 5 points" in (report / "methods.md").read_text()
    stated = json.loads((report / "summary.json").read_text())["declaration"]
    assert (stated["declared"]["margin"], stated["used"]["margin"]) == (0.02, 0.05)
    assert stated["deviations"] == ["Declared and then changed: analysis.margin: 0.02 -> 0.05."]
    assert json.loads((report / "manifest.json").read_text())["analysis"]["declaration"] == stated


def test_every_no_difference_stands_beside_what_was_detectable(report: Path):
    places = re.split(">(?:not shown|not detectably different)</span>", (report / "report.html").read_text())
    assert len(places) > 2
    assert all("detectable" in place[:200] for place in places[1:])


def test_a_changed_endpoint_is_found(study: Results, report: Path, capsys: pytest.CaptureFixture[str]):
    summary = json.loads((report / "summary.json").read_text())
    summary["tables"]["primary_endpoints"][0]["p_primary"] = 0.001
    (report / "summary.json").write_text(json.dumps(summary))
    assert main(["verify", str(study.folder)]) == 1
    found = capsys.readouterr().out
    assert "primary_endpoints[0].p_primary" in found
    assert "headline" not in found
