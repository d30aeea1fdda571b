"""Real photos with real questions: 49 of COCO, if they are here."""

import os
from pathlib import Path

import pytest

from robust_atp.data import load_dataset

FOLDER = os.environ.get("ROBUST_ATP_COCO49")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="ROBUST_ATP_COCO49 names no folder with the 49 photos")


@pytest.mark.parametrize(
    ("entry", "questions", "images"),
    [
        ({"name": "vqav2", "questions": "vqa_questions.json", "annotations": "vqa_annotations.json"}, 11, 10),
        ({"name": "pope", "questions": "pope_aokvqa_adversarial.jsonl"}, 72, 12),
        ({"name": "pope", "questions": "pope_coco_random.jsonl"}, 6, 1),
    ],
)
def test_every_question_has_its_photo(entry: dict[str, str], questions: int, images: int) -> None:
    keys = {"split": "val", "images_folder": "images", "image_name": "{image_id:012d}.jpg"}
    data = load_dataset(entry | keys, base=Path(str(FOLDER)))
    assert len(data.examples()) == questions
    shapes = {example.image_id: data.image(example.image_id).shape for example in data.examples()}
    assert len(shapes) == images
    assert all(min(height, width) >= 300 and channels == 3 for height, width, channels in shapes.values())
