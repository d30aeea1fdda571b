"""What a study cannot do is said by ``plan``, and by ``run`` before anything is loaded or written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from robust_atp.cli import main
from robust_atp.errors import UserError
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study import Study

SHORT = ("grid.corruption=[fog]", "grid.severity=[3]")


@pytest.fixture
def without_clip(tiny_llava_folder: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint without matching CLIP, and without weights: nobody may want to load them."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("config.json", "robust_atp.json"):
        (folder / name).write_bytes((tiny_llava_folder / name).read_bytes())
    return folder


def test_an_arm_that_a_backbone_cannot_do_is_refused_without_weights(
    study_with: Callable[..., Study], without_clip: Path
) -> None:
    study = study_with(f"backbones=[{{id: {without_clip}, name: mine}}]", "grid.pruner=[atp]", *SHORT)
    with pytest.raises(
        UserError, match=rf"^pruner 'atp' on backbone 'mine' \({without_clip}\) compares patches .*clip"
    ):
        plan_study(study)
    assert plan_study(study_with(f"backbones=[{without_clip}]", "grid.pruner=[cls-attention]", *SHORT)).units


def test_all_refusals_come_at_once(study_with: Callable[..., Study], without_clip: Path) -> None:
    config = json.loads((without_clip / "config.json").read_text())
    config["text_config"]["model_type"] = "opt"
    (without_clip / "config.json").write_text(json.dumps(config))
    study = study_with(f"backbones=[{without_clip}]", "grid.pruner=[atp, fastv, cdpruner]", *SHORT)
    with pytest.raises(UserError) as refused:
        plan_study(study)
    head, *reasons = str(refused.value).splitlines()
    assert head == "3 of the study's arms cannot run:"
    assert [reason.split("'")[1] for reason in reasons] == ["atp", "fastv", "cdpruner"]
    assert "cuts inside the decoder: the decoder has to be one of the Llama family" in reasons[1]


def test_plan_and_run_refuse_with_exit_code_2_and_leave_nothing(
    study_file: Path, without_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = [str(study_file), "--set", f"backbones=[{without_clip}]", "--set", "grid.pruner=[atp]"]
    for command in (["plan", *study], ["run", *study, "--out", str(tmp_path / "out")]):
        assert main(command) == 2
        assert capsys.readouterr().err.startswith("error: pruner 'atp' on backbone")
    assert not (tmp_path / "out").exists()


def test_plan_goes_on_without_the_hub_and_run_does_not(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    out = str(tmp_path / "out")
    study = [str(study_file), "--set", "backbones=[nobody/nothing]", "--out", out]
    assert main(["plan", *study]) == 0
    shown = capsys.readouterr().out
    assert "backbones     nothing (unknown)" in shown
    assert "on disk       not known without the revisions of all backbones" in shown
    assert "note          backbone 'nobody/nothing' cannot be read (no network, or no such hub id)" in shown
    assert main(["run", *study]) == 2
    assert "backbone 'nobody/nothing' cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_table_of_pruners_by_backbones(without_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compatibility", "phantom", str(without_clip)]) == 0
    shown = capsys.readouterr().out
    assert f"| pruner | phantom | {without_clip} |" in shown
    assert "| atp | runs | refused |" in shown
    assert "| fastv | runs | runs |" in shown
    assert f"pruner 'atp' on backbone '{without_clip}' compares patches" in shown
    assert main(["compatibility", str(without_clip), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {name for name, reason in table[str(without_clip)].items() if reason} == {
        "atp",
        "cdpruner",
        "atp-llava",
        "heatvit",
    }


def test_device_and_device_map_exclude_each_other(
    study_with: Callable[..., Study], without_clip: Path
) -> None:
    backbone = f"{{id: {without_clip}, device: cuda, device_map: auto}}"
    with pytest.raises(UserError, match="give device or device_map, not both; device is 'cuda'"):
        study_with(f"backbones=[{backbone}]")
