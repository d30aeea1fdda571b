"""GQA and GQA-OOD from official files to a report, whose figures are those of the official rules on the files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from official_files import write_official_files
from PIL import Image

from robust_atp import open_results
from robust_atp.cli import main
from robust_atp.phantom.split import held_out
from robust_atp.scoring import gqa_ood_scores, gqa_scores

OOD = os.environ.get("ROBUST_ATP_GQA_OOD")
CELL = ["pruner", "keep", "intervention", "severity"]
GRID = {"corruption": ["gaussian_noise"], "severity": [5], "pruner": ["cls-attention"], "keep": [0.05]}


def reported(folder: Path, entries: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the phantom on data sets whose files are in ``folder``, report; records and official figures."""
    study = {"name": "gqa", "backbones": ["phantom"], "data": entries, "grid": GRID}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    out = folder / "out"
    assert main(["run", str(folder / "study.yaml"), "--out", str(out)]) == 0
    assert main(["report", str(out)]) == 0
    return open_results(out).records(), pd.read_csv(out / "report" / "tables" / "official.csv")


def cells(
    records: pd.DataFrame, official: pd.DataFrame, dataset: str
) -> Iterator[tuple[list[dict[str, str]], dict[str, float]]]:
    """Predictions as GQA's program takes them, and what the report says of them, cell by cell."""
    figures = dict(list(official[official["dataset"] == dataset].groupby(CELL)))
    for cell, rows in records[records["dataset"] == dataset].groupby(CELL):
        said = zip(rows["question_id"], rows["prediction"], strict=True)
        predictions = [{"questionId": name, "prediction": text} for name, text in said]
        yield predictions, dict(zip(figures[cell]["quantity"], figures[cell]["value"], strict=True))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("album")
    entries = write_official_files(folder)
    return folder, *reported(folder, [entry for entry in entries if entry["name"] in ("gqa", "gqa-ood")])


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_every_official_score_of_gqa(album: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, records, official = album
    questions, choices = read(folder, "gqa_val_all_questions.json"), read(folder, "gqa_val_choices.json")
    found = list(cells(records, official, "gqa"))
    assert len(found) == 2 * 3  # clean and noise; unpruned, random and the pruner
    for predictions, figures in found:
        assert len(predictions) == len(questions)
        expected = gqa_scores(questions, predictions, choices)
        numbers = {name: value for name, value in expected.items() if not isinstance(value, dict)}
        assert figures == pytest.approx(numbers)
        assert set(figures) == {
            "accuracy", "binary", "open", "consistency", "validity", "plausibility", "distribution",
        }  # fmt: skip
    for quantity in ("accuracy", "consistency", "plausibility", "distribution"):
        assert len({figures[quantity] for _, figures in found}) > 1, (
            "the arms must differ for this to say anything"
        )


def test_head_tail_and_what_is_lost_between_them(album: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, records, official = album
    head, tail = (read(folder, f"ood_testdev_{part}.json") for part in ("head", "tail"))
    found = list(cells(records, official, "gqa-ood"))
    for predictions, figures in found:
        everything = read(folder, "ood_testdev_all.json")
        assert {record["questionId"] for record in predictions} == set(everything)
        expected = gqa_ood_scores(head, tail, predictions)
        renamed = {"accuracy": "all", "acc-head": "head", "acc-tail": "tail", "delta": "delta"}
        assert {name: figures[name] for name in renamed} == pytest.approx(
            {name: expected[key] for name, key in renamed.items()}, nan_ok=True
        )
    assert len({figures["acc-tail"] for _, figures in found}) > 1


def test_scene_graphs_become_object_patches(album: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    _, records, _ = album
    assert records[records["dataset"] == "gqa"]["object_patches"].notna().all()
    assert records[records["dataset"] == "gqa-ood"]["object_patches"].isna().all()


@pytest.mark.skipif(OOD is None, reason="ROBUST_ATP_GQA_OOD names no folder with records of GQA-OOD")
def test_real_records_of_gqa_ood(tmp_path: Path) -> None:
    parts = {part: read(Path(str(OOD)), f"testdev_{part}_300.json") for part in ("head", "tail")}
    shown = {record["imageId"] for record in parts["head"].values()} & {
        record["imageId"] for record in parts["tail"].values()
    }
    chosen = sorted(shown)[:2]
    (tmp_path / "images").mkdir()
    for image, scene in zip(chosen, held_out("val", 2), strict=True):  # the photos themselves are not here
        Image.fromarray(scene.image).save(tmp_path / "images" / f"{image}.jpg")
    for part, records in parts.items():
        kept = {name: record for name, record in records.items() if record["imageId"] in chosen}
        (tmp_path / f"{part}.json").write_text(json.dumps(kept))
    entry = {
        "name": "gqa-ood", "split": "testdev", "head": "head.json", "tail": "tail.json", "images_folder": "images",
    }  # fmt: skip
    records, official = reported(tmp_path, [entry])
    for predictions, figures in cells(records, official, "gqa-ood"):
        expected = gqa_ood_scores(read(tmp_path, "head.json"), read(tmp_path, "tail.json"), predictions)
        assert figures["acc-head"] == pytest.approx(expected["head"])
        assert figures["acc-tail"] == pytest.approx(expected["tail"])
