"""The command, end to end on the small study."""

from pathlib import Path

import pytest
import yaml

from robust_atp.cli import BAD_INPUT, main
from robust_atp.pruning import build_pruner


@pytest.fixture
def four_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny checkpoint has three layers, of which two can be cut after."""
    import tiny_llava
    from transformers import LlamaConfig

    monkeypatch.setattr(
        tiny_llava, "LlamaConfig", lambda **options: LlamaConfig(**options | {"num_hidden_layers": 4})
    )
    return tiny_llava.tiny_llava(tmp_path / "four")


def test_what_it_writes_is_a_pruner_of_a_study(
    study_file: Path, four_layers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cuts.yaml"
    call = ["cutlayers", str(four_layers), "--data", str(study_file), "--questions", "5", "--out", str(out)]
    assert main(call) == 0
    assert capsys.readouterr().out == out.read_text()
    entry = yaml.safe_load(out.read_text())
    way = build_pruner(entry.pop("name"), entry).dropping(0.5, 16, 4)
    assert way is not None
    assert [depth for depth, _ in way.cuts] == entry["after"] == [1, 2, 3]
    assert "5 questions" in out.read_text()


def test_a_backbone_that_is_too_shallow_is_refused(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cutlayers", "tiny", "--data", str(study_file)]) == BAD_INPUT
    assert "a decoder of 3 layers cannot be cut at 3 places" in capsys.readouterr().err
