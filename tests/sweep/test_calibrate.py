"""The command, end to end: on the phantom's own split and on the small study."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.cli import BAD_INPUT, main
from robust_atp.data import load_dataset
from robust_atp.pruning import build_pruner


def counts_of(entry: dict, backbone_id: str, dataset: dict, images: int) -> list[int]:
    """What a calibrated entry of a study keeps of each image."""
    method = build_pruner(entry["name"], {key: value for key, value in entry.items() if key != "name"})
    backbone = load_backbone(BackboneSpec(backbone_id))
    scenes = load_dataset(dataset)
    ids = list(dict.fromkeys(example.image_id for example in scenes.examples()))[:images]
    tokens = backbone.encode([scenes.image(image_id) for image_id in ids], method.needs)
    kept = method.prune(tokens, range(len(ids)), None, 0.5, 0, ids)
    return [len(indices) for indices in kept.indices]


def test_the_phantom_has_a_split_for_it_and_the_entries_keep_what_they_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tau.yaml"
    call = ["calibrate", "phantom", "--mean-keep", "0.25", "--images", "6", "--out", str(out)]
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert shown == out.read_text()
    assert "6\n# clean images of phantom/calibration, backbone phantom (" in shown
    entries = yaml.safe_load(shown)
    assert [entry["variant"] for entry in entries] == ["raw", "centred", "normalised"]
    split = {"name": "phantom", "split": "calibration", "images": 6}
    for entry in entries:
        kept = counts_of(entry, "phantom", split, 6)
        assert np.mean(kept) == pytest.approx(0.25 * 196, abs=1)
        (line,) = [line for line in shown.splitlines() if line.startswith(f"# {entry['variant']}")]
        figures = [float(figure) for figure in line.split()[2:]]
        expected = [np.mean(kept) / 196, np.mean(kept), np.std(kept, ddof=1), min(kept), max(kept)]
        assert figures == pytest.approx(expected, abs=0.006)


def test_the_calibration_scenes_are_nobody_elses() -> None:
    fingerprints = {
        load_dataset({"name": "phantom", "split": split, "images": 5}).fingerprint
        for split in ("val", "test", "calibration")
    }
    assert len(fingerprints) == 3


def test_a_study_file_names_backbone_and_images_and_an_entry_its_options(
    study_file: Path, tiny_llava_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = "{name: e-adaprune, ranker: random, tokens: tower, variant: centred}"
    call = ["calibrate", "tiny", "--mean-keep", "0.3", "--data", str(study_file), "--pruner", entry]
    assert main([*call, "--split", "vqav2/val"]) == 0
    shown = capsys.readouterr().out
    assert "on 6\n# clean images of vqav2/val, backbone tiny (" in shown
    (found,) = yaml.safe_load(shown)
    assert {key: value for key, value in found.items() if key != "tau"} == yaml.safe_load(entry)
    source = yaml.safe_load(study_file.read_text())["data"][0]
    for key in ("questions", "annotations", "images_folder"):
        source[key] = str(study_file.parent / source[key])
    kept = counts_of(found, str(tiny_llava_folder), source, 6)
    assert np.mean(kept) == pytest.approx(0.3 * 16, abs=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mean-keep", "1"], "--mean-keep must be between 0 and 1, both excluded; got 1"),
        (["--mean-keep", "nan"], "--mean-keep must be between 0 and 1"),
        (["--images", "0"], "--images must be at least 1; got 0"),
        (["--pruner", "atp"], "--pruner must have a budget of spectral energy, as e-adaprune has; got 'atp'"),
        (["--pruner", "e-adaprun"], "(did you mean 'e-adaprune'?)"),
        (["--pruner", "{name: e-adaprune, token: tower}"], "(did you mean 'tokens'?)"),
        (["--pruner", "[1"], "--pruner is no valid YAML: [1"),
        (["--pruner", "[1]"], "--pruner must be a pruner's name or a mapping"),
        (["--pruner", "{name: e-adaprune, k_max: 2}"], "raw: mean_count must be between 1 and 2; got 49"),
        (["--split", "vqav2/val"], "--split names a data set of a study file: give --data too"),
        (["--data", "STUDY", "--split", "vqav2/vall"], "(did you mean 'vqav2/val'?)"),
        (["--data", "TWO"], "several data sets, --split must be one of: vqav2/val, phantom/test"),
    ],
)
def test_bad_input_is_refused(
    options: list[str], message: str, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = yaml.safe_load(study_file.read_text())
    two["data"].append({"name": "phantom", "images": 2})
    (study_file.parent / "two.yaml").write_text(yaml.safe_dump(two))
    files = {"STUDY": str(study_file), "TWO": str(study_file.parent / "two.yaml")}
    given = {"--mean-keep": "0.25", "--images": "2"} | dict(zip(options[::2], options[1::2], strict=True))
    call = [files.get(part, part) for pair in given.items() for part in pair]
    assert main(["calibrate", "phantom", *call]) == BAD_INPUT
    assert message in capsys.readouterr().err


def test_a_backbone_that_is_no_phantom_needs_images_of_its_own(
    tiny_llava_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(tiny_llava_folder), "--mean-keep", "0.25"]) == BAD_INPUT
    assert "was not made for the phantom's scenes: give --data" in capsys.readouterr().err
