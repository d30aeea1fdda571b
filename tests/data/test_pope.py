import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from robust_atp.data import load_dataset
from robust_atp.errors import UserError

RECORDS = [
    {
        "question_id": number, "image": f"COCO_val2014_{image:012d}.jpg",
        "text": f"Is there a {noun} in the image?", "label": label,
    }
    for number, image, noun, label in [(1, 450, "cup", "yes"), (2, 790, "dog", "no"), (3, 450, "car", "no")]
]  # fmt: skip


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def load(folder: Path, text: str, **keys: Any) -> Any:
    (folder / "pope.json").write_text(text)
    entry = {"name": "pope", "split": "random", "questions": "pope.json", "images_folder": "."}
    return load_dataset(entry | keys, base=folder)


def test_lines_and_an_array_are_the_same_questions(tmp_path: Path) -> None:
    from_lines = load(tmp_path, lines(RECORDS)).examples()
    assert from_lines == load(tmp_path, json.dumps(RECORDS)).examples()
    assert [(e.question_id, e.answer) for e in from_lines] == [("1", "yes"), ("3", "no"), ("2", "no")]
    assert from_lines[0].answers == ("yes",)


@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        ("{image}", "COCO_val2014_000000000450.jpg"),
        ("{image_id:012d}.jpg", "000000000450.jpg"),
        ("val/{image_id}.jpg", "val/450.jpg"),
    ],
)
def test_a_folder_may_call_the_photos_otherwise(tmp_path: Path, pattern: str, file: str) -> None:
    (tmp_path / "val").mkdir()
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / file)
    data = load(tmp_path, lines(RECORDS), image_name=pattern)
    assert data.image(RECORDS[0]["image"]).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines([RECORDS[0] | {"label": "maybe"}]), "record 1: label must be yes or no, got 'maybe'"),
        (lines([*RECORDS, RECORDS[0]]), "question ids in .* occur more than once: 1"),
        (lines(RECORDS) + "{", r"pope\.json:4: not valid JSON"),
        (lines([{"question_id": 1}]), r"record 1: lacks 'label' \(has: question_id\)"),
        ("", "holds no questions"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, text)


def test_a_pattern_that_names_one_file_for_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must contain {image} or {image_id}"):
        load(tmp_path, lines(RECORDS), image_name="photo.jpg")
