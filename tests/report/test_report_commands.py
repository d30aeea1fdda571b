"""report, show, verify and cite from the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image
from synthetic_study import Truth, synthetic_records, write_study

from robust_atp.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    truth = Truth(half_gap={"phantom": 0.0})
    records = synthetic_records(truth, images=2, severities=(5,), real_pictures=True)
    return str(write_study(tmp_path_factory.mktemp("study"), records))


def test_report_verify_cite_and_verify_again(folder: str, capsys: pytest.CaptureFixture[str]):
    assert main(["report", folder]) == 0
    assert capsys.readouterr().out.strip() == str(Path(folder) / "report" / "report.html")
    assert main(["verify", folder]) == 0
    assert "verified" in capsys.readouterr().out
    assert main(["cite", folder]) == 0
    manifest = json.loads((Path(folder) / "report" / "manifest.json").read_text())
    cited = capsys.readouterr().out
    assert manifest["result_id"] in cited
    assert cited.count("@misc{") == 1
    (Path(folder) / "report" / "CITATION.cff").write_text("changed")
    assert main(["verify", folder]) == 1
    assert "CITATION.cff: its content has changed" in capsys.readouterr().out


def test_show_writes_a_row_per_intervention_and_a_column_per_arm(folder: str, tmp_path: Path):
    out = tmp_path / "shown.png"
    assert main(["show", folder, "--image", "1", "--out", str(out)]) == 0
    with Image.open(out) as shown:
        width, height = shown.size
    assert height > width * 0.9  # clean, noise and fog over three arms


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "77"], "image '77' is in none of the study's data sets"),
        (["--image", "1", "--backbone", "phantm"], "did you mean 'phantom'?"),
    ],
)
def test_show_says_what_it_does_not_find(
    folder: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["show", folder, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_a_report_cannot_be_cited(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["cite", str(tmp_path)]) == 2
    assert "has no manifest.json" in capsys.readouterr().err
