"""The files in which trained methods keep their weights."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from robust_atp.errors import UserError
from robust_atp.pruning.trained import OwnWeights, load_weights, save_weights, weights_hash, weights_path
from robust_atp.sweep.ingredients import pruner_weights
from robust_atp.sweep.study import BackboneConfig

BACKBONE: Any = SimpleNamespace(name="tiny", revision="r1")
WEIGHTS = OwnWeights("some", "tiny", "r1", {"a.b": torch.arange(6.0).reshape(2, 3)}, {"steps": 3, "why": "x"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_weights(WEIGHTS, tmp_path / "deep" / "w.safetensors")
    return tmp_path / "deep" / "w.safetensors"


def test_what_is_saved_is_what_is_loaded(file: Path) -> None:
    found = load_weights("some", BACKBONE, str(file))
    assert torch.equal(found.tensors["a.b"], WEIGHTS.tensors["a.b"])
    assert replace(found, tensors={}) == replace(WEIGHTS, tensors={})


def test_equal_weights_have_equal_hashes_and_others_have_others(file: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.safetensors", tmp_path / "other.safetensors"
    save_weights(WEIGHTS, again)
    save_weights(replace(WEIGHTS, tensors={"a.b": torch.arange(1.0, 7).reshape(2, 3)}), other)
    assert weights_hash("some", "tiny", str(file)) == weights_hash("some", "tiny", str(again))
    assert weights_hash("some", "tiny", str(file)) != weights_hash("some", "tiny", str(other))


def test_methods_without_weights_have_no_hash() -> None:
    assert weights_hash("random", "phantom") is None
    assert weights_hash("random", "phantom", 0.5) is None  # an option that happens to have this name


def test_shipped_weights_lie_outside_the_folders_whose_hash_is_a_revision() -> None:
    path = weights_path("some", "phantom")
    assert path.name == "phantom.safetensors"
    assert path.parts[-3:-1] == ("pruners", "some")
    assert (path.parents[2] / "phantom" / "config.json").is_file()


@pytest.mark.parametrize(
    ("method", "backbone", "message"),
    [
        ("other", BACKBONE, "are those of some, not of other"),
        ("some", SimpleNamespace(name="tiny", revision="r2"), "at revision r1; 'tiny' is at r2"),
    ],
)
def test_weights_of_something_else_are_refused(file: Path, method: str, backbone: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_weights(method, backbone, str(file))


def test_missing_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"'some' is trained for each backbone anew.*'tiny'; shipped for: none"
    ):
        load_weights("some", BACKBONE)
    with pytest.raises(UserError, match=r"nowhere.safetensors is not a file"):
        load_weights("some", BACKBONE, str(tmp_path / "nowhere.safetensors"))
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(UserError, match="cannot be read"):
        load_weights("some", BACKBONE, str(tmp_path / "text.safetensors"))


def test_a_study_knows_the_hashes_of_its_pruners_weights(file: Path) -> None:
    pruners = [
        SimpleNamespace(name="random", options={}),
        SimpleNamespace(name="some", options={"weights": str(file)}),
    ]
    study: Any = SimpleNamespace(grid=SimpleNamespace(pruner=pruners))
    found = pruner_weights(study, BackboneConfig(id="phantom", name="p"))
    assert found == {f"some {file}": weights_hash("some", "phantom", str(file))}
