"""Whole sweeps, in this process: complete, resumed, disturbed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import robust_atp
from robust_atp.errors import UserError
from robust_atp.records import MEASURED, SCHEMA
from robust_atp.sweep.study import Study

SHORT = ("grid.corruption=[fog]", "grid.severity=[3]", "grid.pruner=[]", "grid.keep=[0.5]")


def comparable(results: robust_atp.Results) -> pd.DataFrame:
    return results.records().drop(columns=list(MEASURED))


def test_a_study_from_file_to_records(study_file: Path, tmp_path: Path) -> None:
    results = robust_atp.run(study_file, tmp_path / "out", bar=False)
    assert results.status().complete
    records = results.records()
    assert list(records.columns) == SCHEMA.names
    assert len(records) == 9 * 6 * 7  # questions, interventions, arms
    assert not records.duplicated(["question_id", "intervention", "severity", "pruner", "keep"]).any()
    counted = results.table("SELECT pruner, count(*) AS n FROM records GROUP BY pruner")
    assert counted.n.sum() == len(records)


def test_a_second_run_evaluates_nothing(study_with: Callable[..., Study], tmp_path: Path) -> None:
    study = study_with(*SHORT)
    first = robust_atp.run(study, tmp_path, bar=False)
    written = {path: path.stat().st_mtime_ns for path in first.files()}
    again = robust_atp.run(study, tmp_path, bar=False)
    assert {path: path.stat().st_mtime_ns for path in again.files()} == written


def test_a_lost_unit_is_made_again_and_the_same(study_with: Callable[..., Study], tmp_path: Path) -> None:
    study = study_with(*SHORT)
    whole = robust_atp.run(study, tmp_path, bar=False)
    before = comparable(whole)
    whole.files()[1].unlink()
    assert whole.status().left == 1
    pd.testing.assert_frame_equal(
        comparable(robust_atp.run(study, tmp_path, bar=False)), before, check_exact=True
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda image: image.unlink(), "image file is missing: {image}   (did you mean"),
        (lambda image: image.write_bytes(image.read_bytes()[:150]), "image file cannot be decoded: {image}"),
    ],
)
def test_a_bad_image_fails_its_units_and_no_others(
    study_file: Path, tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    study = robust_atp.load_study(study_file, SHORT)
    image = study_file.parent / "images" / "5.png"
    healthy = image.read_bytes()
    damage(image)
    results = robust_atp.run(study, tmp_path / "out", bar=False)
    status = results.status()
    assert (status.done, status.failed, status.left) == (3, 3, 0)
    assert all(found.startswith(reason.format(image=image)) for found in status.failures.values())
    assert "5" not in set(results.records().image_id)
    recorded = json.loads(next((tmp_path / "out" / "failed").iterdir()).read_text())
    assert "Traceback" in recorded["details"]

    image.write_bytes(healthy)
    assert robust_atp.run(study, tmp_path / "out", bar=False).status().complete


def test_a_backbone_that_does_not_load_stops_the_sweep(
    study_with: Callable[..., Study], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"backbone '\./nowhere' is neither shipped"):
        robust_atp.run(study_with("backbones=[./nowhere]"), tmp_path, bar=False)


def test_an_unknown_executor(small_study: Study, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"executor 'rya' is not one of: inline, ray   \(did you mean 'ray'\?\)"
    ):
        robust_atp.run(small_study, tmp_path, executor="rya")


def test_inline_is_one_worker(small_study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one worker, got 2: take --executor ray"):
        robust_atp.run(small_study, tmp_path, workers=2)


def test_results_open_without_the_data(study_file: Path, tmp_path: Path) -> None:
    robust_atp.run(robust_atp.load_study(study_file, SHORT), tmp_path / "out", bar=False)
    shutil.rmtree(study_file.parent)
    results = robust_atp.open_results(tmp_path / "out")
    assert results.study.name == "small"
    assert not results.records().empty
    with pytest.raises(UserError, match="query over the records failed"):
        results.table("SELECT nothing FROM records")


def test_a_damaged_file_is_named_whichever_way_it_is_read(
    study_with: Callable[..., Study], tmp_path: Path
) -> None:
    results = robust_atp.run(study_with(*SHORT), tmp_path, bar=False)
    damaged = results.files()[-1]
    damaged.write_bytes(damaged.read_bytes()[:2000])
    with results.at_hand() as near, results.at_hand() as copied:
        ways = [
            results.records,
            lambda: list(results.batches("SELECT score FROM records")),
            lambda: list(near.batches("SELECT score FROM records")),
            copied.records,
        ]
        for read in ways:
            with pytest.raises(
                UserError, match=rf"cannot be read: .*{damaged.name}.*robust-atp run makes it again"
            ):
                read()
    damaged.unlink()
    assert robust_atp.run(results.study, tmp_path, bar=False).status().complete


def test_a_killed_driver_goes_on_where_it_was(study_file: Path, tmp_path: Path) -> None:
    undisturbed = robust_atp.run(study_file, tmp_path / "undisturbed", bar=False)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "robust_atp", "run", str(study_file), "--out", str(out)]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(out.glob("units/*/*.parquet")):
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    resumed = robust_atp.run(study_file, out, bar=False)
    assert resumed.status().complete
    pd.testing.assert_frame_equal(comparable(resumed), comparable(undisturbed), check_exact=True)


def test_importing_the_package_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys, robust_atp, robust_atp.cli; robust_atp.open_results;"
        "sys.exit(bool({'torch', 'ray', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
