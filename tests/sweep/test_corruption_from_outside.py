"""A corruption that somebody else wrote, all the way: checked, listed, looked at, swept, and in the report."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from corruptions import registry
from robust_atp.cli import main

SCAN_LINES = '''from corruptions import register


@register("scan_lines", family="display", severity={"darkness": [0.2, 0.35, 0.5, 0.7, 0.9]})
def scan_lines(image, *, rng, darkness: float):
    """An old screen: every third row is dark."""
    screen, first = image.copy(), rng.randint(3)
    screen[first::3] = image[first::3] * (1 - darkness)
    return screen
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package with one corruption and its entry point; return its module's file."""
    site = tmp_path / "site-packages"
    metadata = site / "old_screens-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "old_screens.py").write_text(SCAN_LINES)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: old-screens\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[robust_atp.corruptions]\nscan_lines = old_screens:scan_lines\n"
    )
    monkeypatch.syspath_prepend(site)
    # Entry points are read once per process. Afterwards they and the type are forgotten, for the next test's package.
    registry._installed.cache_clear()
    yield site / "old_screens.py"
    registry._installed.cache_clear()
    registry._registered.pop("scan_lines", None)
    sys.modules.pop("old_screens", None)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (48, 64, 3)).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("reference", ["scan_lines", "old_screens:scan_lines", "{file}:scan_lines"])
def test_by_any_name_it_is_checked_and_looked_at(
    reference: str, package: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = reference.format(file=package)
    assert main(["corruptions", "check", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ok    a random type depends on the seed" in lines
    assert {line[:4] for line in lines} == {"ok  "}
    sheet = tmp_path / "sheet.png"
    assert main(["corruptions", "sheet", str(photo), str(sheet), "--names", name]) == 0
    with Image.open(sheet) as page:
        assert page.width > 6 * 64


@pytest.mark.usefixtures("package")
def test_it_is_listed_swept_and_reported(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(SCAN_LINES.splitlines()) < 20
    assert main(["list", "corruptions"]) == 0
    assert "display: An old screen: every third row is dark." in capsys.readouterr().out
    small = ["grid.corruption=[scan_lines]", "grid.severity=[5]", "grid.control=[]", "grid.keep=[0.5]"]
    settings = [argument for setting in small for argument in ("--set", setting)]
    assert main(["run", str(study_file), *settings, "--out", str(tmp_path / "out")]) == 0
    assert main(["report", str(tmp_path / "out")]) == 0
    report = tmp_path / "out" / "report"
    with (report / "tables" / "excess_drop.csv").open() as table:
        assert {row["intervention"] for row in csv.DictReader(table)} == {"scan_lines"}
    assert "scan lines" in (report / "report.html").read_text()
