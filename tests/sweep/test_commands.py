"""plan, run and status, from the command line."""

from pathlib import Path

import pytest

from robust_atp.cli import main

SHORT = ["--set", "grid.corruption=[fog]", "--set", "grid.severity=[3]", "--set", "grid.pruner=[]"]


def test_plan_run_status(study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    study = [str(study_file), *SHORT]
    assert main(["plan", *study, "--out", out]) == 0
    shown = capsys.readouterr().out
    assert "answers       81 " in shown
    assert "on disk       0 of 6 units" in shown
    assert main(["run", *study, "--out", out]) == 0
    assert f"next: robust-atp report {out}" in capsys.readouterr().out
    assert main(["plan", *study, "--out", out]) == 0
    assert "on disk       6 of 6 units" in capsys.readouterr().out
    assert main(["status", out]) == 0
    assert capsys.readouterr().out == "small: 6 units done, 0 failed, 0 left\n"


def test_failed_units_are_listed_with_exit_code_3(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = study_file.parent / "images" / "2.png"
    missing.unlink()
    assert main(["run", str(study_file), *SHORT, "--out", str(tmp_path / "out")]) == 3
    shown = capsys.readouterr().out
    assert "3 units done, 3 failed" in shown
    assert f"failed: tiny on vqav2/val, clean, images 1…\n          image file is missing: {missing}" in shown


def test_what_a_run_refuses_before_any_work(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["run", str(study_file), "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    (study_file.parent / "q.json").unlink()
    assert main(["run", str(study_file), "--out", str(tmp_path / "out")]) == 2
    assert "data[0].questions  no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
