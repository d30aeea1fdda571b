"""A data set with its corrupted images, written out and read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import robust_atp
from corruptions import corrupt
from robust_atp.data.phantom import PhantomConfig
from robust_atp.errors import UserError
from robust_atp.interventions import pixel_hash
from robust_atp.records import MEASURED
from robust_atp.sweep.export import export
from robust_atp.sweep.study import Study

SETTINGS = ("grid.severity=[5]", "grid.pruner=[]", "grid.keep=[0.5]", "data[0].limit=3", "noise_seeds=[0, 1]")


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    return study_with(*SETTINGS)


def read_back(study: Study, folder: Path) -> Study:
    (config,) = study.data
    exported = type(config)(name=config.name, split=config.split, exported=folder)
    return study.model_copy(update={"data": (exported,)})


def comparable(results: robust_atp.Results) -> pd.DataFrame:
    # A unit's key also tells that the images came from an export.
    return results.records().drop(columns=[*MEASURED, "unit"])


def test_records_are_those_of_corrupting_on_the_fly(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_fly = comparable(robust_atp.run(study, tmp_path / "fly", bar=False))
    export(study, tmp_path / "out")
    monkeypatch.setattr("robust_atp.interventions.corrupt", lambda *_, **__: pytest.fail("corrupted again"))
    stored = robust_atp.run(read_back(study, tmp_path / "out"), tmp_path / "stored", bar=False)
    assert stored.status().complete, stored.status().failures
    pd.testing.assert_frame_equal(comparable(stored), on_the_fly, check_exact=True)
    assert set(on_the_fly["intervention"]) == {"clean", "blank", "gaussian_noise", "darker"}


def test_what_is_exported_can_be_read_by_anyone(study: Study, tmp_path: Path) -> None:
    from datasets import load_dataset

    export(study, tmp_path / "out")
    dataset = study.data[0].load()
    questions = load_dataset(str(tmp_path / "out"), "questions", split="validation")
    assert questions["question_id"] == [example.question_id for example in dataset.examples()]
    assert '"answer_type": "other"' in questions[0]["original"]
    images = load_dataset(str(tmp_path / "out"), "gaussian_noise-5-seed1", split="validation")
    assert images["image_id"] == list(dataset.image_ids())
    for row in images:
        pixels = np.array(row["image"])
        key = f"vqav2/{row['image_id']}"
        assert np.array_equal(pixels, corrupt(dataset.image(row["image_id"]), "gaussian_noise", 5, 1, key))
        assert row["image_hash"] == pixel_hash(pixels)
        assert (row["corruption"], row["severity"], row["noise_seed"]) == ("gaussian_noise", 5, 1)


def test_the_data_card_names_every_subset(study: Study, out: Path) -> None:
    export(study, out)
    _, header, page = (out / "README.md").read_text().split("---\n", 2)
    named = {config["config_name"] for config in yaml.safe_load(header)["configs"]}
    assert named == {folder.name for folder in (out / "data").iterdir()}
    assert "# VQAv2-C" in page
    assert "| gaussian_noise | " in page


def test_an_interrupted_export_goes_on(study: Study, out: Path) -> None:
    export(study, out)
    whole = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    lost = out / "data" / "darker-5" / "validation-00000.parquet"
    content = lost.read_bytes()
    lost.unlink()
    export(study, out)
    assert lost.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in whole if path != lost}.items() <= whole.items()


def test_a_folder_that_holds_something_else(study: Study, out: Path) -> None:
    out.mkdir()
    (out / "mine.txt").write_text("")
    with pytest.raises(UserError, match="is not empty and no export"):
        export(study, out)
    (out / "mine.txt").unlink()
    export(study, out)
    other = study.model_copy(update={"noise_seeds": (0,)})
    with pytest.raises(UserError, match=r"holds another export; take another --out, or undo:\n  subsets"):
        export(other, out)


def test_an_export_of_another_data_set(study: Study, out: Path) -> None:
    export(study, out)
    (config,) = study.data
    with pytest.raises(UserError, match="is an export of vqav2/val, the study names it vqav2/test"):
        type(config)(name="vqav2", split="test", exported=out).load()
    with pytest.raises(UserError, match=r"is no export of a data set: it has no readable export\.json"):
        type(config)(name="vqav2", split="val", exported=out / "data").load()


def test_an_image_that_cannot_be_read_stops_the_export(study_file: Path, study: Study, out: Path) -> None:
    (study_file.parent / "images" / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"2\.png \(the file is empty\)"):
        export(study, out)
    assert not list(out.rglob("clean/*"))


def test_masks_and_answers_of_the_phantom_survive(out: Path) -> None:
    study = Study.model_validate(
        {
            "name": "s",
            "backbones": ["phantom"],
            "data": [PhantomConfig(name="phantom", split="test", images=2)],
            "grid": {"corruption": ["fog"], "severity": [1], "keep": [0.5]},
        }
    )
    export(study, out)
    original, stored = study.data[0].load(), read_back(study, out).data[0].load()
    assert list(original.examples()) == list(stored.examples())
    for image_id in original.image_ids():
        assert np.array_equal(original.image(image_id), stored.image(image_id))
        mask, kept = original.object_mask(image_id), stored.object_mask(image_id)
        assert mask is not None
        assert kept is not None
        assert np.array_equal(mask, kept)
        assert stored.corrupted(image_id, "fog", 2, 0) is None
