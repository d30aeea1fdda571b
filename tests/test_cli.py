import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corruptions import corrupt
from robust_atp.cli import COMMANDS, main
from robust_atp.data.images import read_rgb, write_rgb


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_rgb(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8), path)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.count(f"robust-atp {command}") >= 2  # usage, and an example or a sentence


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from robust_atp.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'transformers', 'pandas', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(f"  {command} " in shown.replace("\n", " \n") for command in COMMANDS)


@pytest.mark.parametrize(
    "kind", ["corruptions", "pruners", "backbones", "datasets", "experiments", "probes", "columns"]
)
def test_list_gives_a_summary_for_every_name(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind, "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert listing
    assert all(listing.values())
    if kind == "pruners":
        assert all(facts["summary"] and facts["cuts"] for facts in listing.values())
        assert listing["visionzip"]["needs"] == [
            "cls_attention:projected",
            "keys:projected",
            "tower_features",
        ]
        assert "question embedding" in listing["cdpruner"]["needs"]
        assert "arXiv:2412.04467" in listing["visionzip"]["paper"]
    assert main(["list", kind]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(listing)


def test_corrupt_writes_what_corrupt_returns(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["corrupt", str(photo), str(out), "--name", "fog", "--severity", "3", "--seed", "5"]) == 0
    assert np.array_equal(read_rgb(out), corrupt(read_rgb(photo), "fog", 3, seed=5))


def test_sheet_is_an_image(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["corruptions", "sheet", str(photo), str(out), "--names", "noise"]) == 0
    height, width, _ = read_rgb(out).shape
    assert height > 3 * 48
    assert width > 6 * 48


def test_check_fails_for_a_type_that_breaks_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text(
        "from corruptions import register\n"
        "@register('idle', family='own', severity={'x': [1, 2, 3, 4, 5]}, override=True)\n"
        "def idle(image, *, x):\n    return image\n"
    )
    assert main(["corruptions", "check", f"{tmp_path / 'bad.py'}:idle"]) == 1
    assert "FAIL  every severity changes a textured image" in capsys.readouterr().out
    assert main(["corruptions", "check", "contrast"]) == 0


def test_calibrate_prints_every_ladder_and_what_is_odd_about_it(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["corruptions", "calibrate", str(photo), "--names", "saturate", "pixelate"]) == 0
    shown = capsys.readouterr().out
    assert "1 images; mean PSNR" in shown
    assert [line.split()[0] for line in shown.splitlines() if not line.startswith(" ")][1:] == [
        "saturate",
        "pixelate",
    ]
    assert "note: severity 3 is nearer to the image than 2" in shown
    assert main(["corruptions", "calibrate", str(photo.parent), "--names", "pixelate", "--json"]) == 0
    (calibration,) = json.loads(capsys.readouterr().out)
    assert [level["severity"] for level in calibration["levels"]] == [1, 2, 3, 4, 5]


def test_a_matched_ladder_is_printed_as_a_severity_table(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decibels = ["20", "18", "16", "14", "12"]
    assert (
        main(
            ["corruptions", "calibrate", str(photo), "--names", "impulse_noise", "--matched-psnr", *decibels]
        )
        == 0
    )
    amount = json.loads(capsys.readouterr().out)["impulse_noise"]["amount"]
    assert amount == sorted(amount)
    assert len(amount) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corruptions", "calibrate", "nowhere.png"], "error: image file is missing"),
        (["corruptions", "calibrate", "PHOTO", "--names", "typos"], "cannot be calibrated"),
        (["plan", "nowhere.yaml"], "error: study file nowhere.yaml cannot be read: No such file"),
        (["status", "nowhere"], "error: nowhere does not exist"),
        (
            ["corrupt", "nowhere.png", "o.png", "--name", "fog", "--severity", "1"],
            "error: image file is missing",
        ),
        (["corrupt", "PHOTO", "o.png", "--name", "fogg", "--severity", "1"], "(did you mean 'fog'?)"),
        (["corrupt", "PHOTO", "o.png", "--name", "fog", "--severity", "6"], "severity must be 0"),
        (["corruptions", "sheet", "PHOTO", "o.png", "--names", "noize"], "(did you mean 'noise'?)"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    photo: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(photo) if a == "PHOTO" else a for a in arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_debug_shows_the_traceback() -> None:
    from robust_atp.errors import UserError

    with pytest.raises(UserError):
        main(["plan", "nowhere.yaml", "--debug"])


@pytest.mark.parametrize(
    "arguments", [[], ["paln"], ["run", "s.yaml"], ["run", "s.yaml", "--out", "o", "--workers", "0"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from robust_atp.commands import list as listing

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "main", interrupted)
    assert main(["list", "columns"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
