import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from robust_atp.data import Dataset, load_dataset
from robust_atp.errors import UserError

Write = Callable[..., Dataset]


def question(image_id: int, number: int, text: str = "what is it") -> dict[str, Any]:
    return {"image_id": image_id, "question_id": image_id * 1000 + number, "question": text}


def annotation(image_id: int, number: int, answer: str = "red") -> dict[str, Any]:
    return {
        "image_id": image_id, "question_id": image_id * 1000 + number, "question_type": "what is",
        "answer_type": "other", "multiple_choice_answer": answer,
        "answers": [{"answer": answer, "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)],
    }  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write official files with these records, load them."""
    (tmp_path / "images").mkdir()

    def write_and_load(questions: Any, annotations: Any, /, **keys: Any) -> Dataset:
        (tmp_path / "q.json").write_text(json.dumps({"questions": questions}))
        (tmp_path / "a.json").write_text(json.dumps({"annotations": annotations}))
        entry = {
            "name": "vqav2", "split": "val", "questions": "q.json", "annotations": "a.json",
            "images_folder": "images", **keys,
        }  # fmt: skip
        return load_dataset(entry, base=tmp_path)

    return write_and_load


def test_examples_are_grouped_by_image_in_the_order_of_the_questions(write: Write) -> None:
    asked = [(7, 0), (3, 0), (7, 1)]
    data = write([question(*a) for a in asked], [annotation(*a) for a in reversed(asked)])
    assert [e.question_id for e in data.examples()] == ["7000", "7001", "3000"]
    example = data.examples()[0]
    assert (example.image_id, example.answers, example.answer) == ("7", ("red",) * 10, "red")
    assert (example.question_type, example.answer_type) == ("what is", "other")


def test_limit_counts_images_not_questions(write: Write) -> None:
    asked = [(7, 0), (3, 0), (7, 1), (5, 0)]
    data = write([question(*a) for a in asked], [annotation(*a) for a in asked], limit=2)
    assert [e.question_id for e in data.examples()] == ["7000", "7001", "3000"]


def test_images_are_found_by_pattern(write: Write, tmp_path: Path) -> None:
    pixels = np.full((40, 50, 3), (10, 20, 30), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "images" / "COCO_val2014_000000000007.jpg".replace("jpg", "png"))
    data = write([question(7, 0)], [annotation(7, 0)], image_name="COCO_val2014_{image_id:012d}.png")
    assert np.array_equal(data.image("7"), pixels)
    assert data.object_mask("7") is None


def test_the_fingerprint_follows_the_content_of_the_files(write: Write) -> None:
    first = write([question(7, 0)], [annotation(7, 0)]).fingerprint
    assert write([question(7, 0)], [annotation(7, 0)]).fingerprint == first
    assert write([question(7, 0)], [annotation(7, 0, "blue")]).fingerprint != first


@pytest.mark.parametrize(
    ("questions", "annotations", "message"),
    [
        ([question(7, 0)] * 2, [annotation(7, 0)], r"question ids in .*q\.json occur more than once: 7000"),
        ([question(7, 0)], [annotation(7, 0)] * 2, r"question ids in .*a\.json occur more than once: 7000"),
        (
            [question(7, 0), question(7, 1)],
            [annotation(7, 0)],
            r"1 ids are in q\.json but not in a\.json: 7001",
        ),
        (
            [question(7, 0)],
            [annotation(7, 0), annotation(8, 0)],
            r"1 ids are in a\.json but not in q\.json: 8000",
        ),
        (
            [question(7, 0)],
            [annotation(7, 0) | {"image_id": 8}],
            "belongs to image 8, but its question to image 7",
        ),
        ([], [annotation(7, 0)], r"q\.json: 'questions' must be a list of records, got an empty list"),
        ({"7": 1}, [annotation(7, 0)], r"q\.json: 'questions' must be a list of records, got dict"),
        ([{"question_id": 7000}], [annotation(7, 0)], "question 7000: lacks 'image_id'"),
        ([{"id": 7000}], [annotation(7, 0)], r"questions\[0\]: lacks 'question_id' \(has: id\)"),
        (["what"], [annotation(7, 0)], r"questions\[0\]: expected an object with 'question_id', got str"),
    ],
)
def test_malformed_files(write: Write, questions: Any, annotations: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        write(questions, annotations)


def test_the_annotations_given_as_questions(write: Write, tmp_path: Path) -> None:
    write([question(7, 0)], [annotation(7, 0)])
    with pytest.raises(UserError, match=r"a\.json: lacks 'questions' \(has: annotations\)"):
        load_dataset(
            {
                "name": "vqav2",
                "split": "val",
                "questions": "a.json",
                "annotations": "a.json",
                "images_folder": ".",
            },
            base=tmp_path,
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"image_name": "photo.jpg"}, "image_name  must contain {image_id}"),
        ({"image_name": "{id}.jpg"}, "image_name  cannot be filled with image_id: 'id'"),
        ({"questions": "nowhere.json"}, r"questions +no such file: .*nowhere\.json"),
        ({"images_folder": "q.json"}, "images_folder  no such folder"),
        ({"limit": 0}, "limit  must be greater than or equal to 1, got 0"),
    ],
)
def test_bad_keys(write: Write, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        write([question(7, 0)], [annotation(7, 0)], **keys)


def test_broken_json_names_file_and_line(tmp_path: Path, write: Write) -> None:
    write([question(7, 0)], [annotation(7, 0)])
    (tmp_path / "a.json").write_text('{"annotations": [\n}')
    entry = {
        "name": "vqav2",
        "split": "val",
        "questions": "q.json",
        "annotations": "a.json",
        "images_folder": ".",
    }
    with pytest.raises(UserError, match=r"a\.json:2: not valid JSON"):
        load_dataset(entry, base=tmp_path)
