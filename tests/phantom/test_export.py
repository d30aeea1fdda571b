import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_atp.data import load_dataset
from robust_atp.errors import UserError
from robust_atp.phantom.export import export


def test_the_export_reads_back_as_the_same_data_set(tmp_path: Path) -> None:
    count = export(tmp_path, images=6)
    read = load_dataset(
        {
            "name": "vqav2",
            "split": "test",
            "questions": tmp_path / "questions.json",
            "annotations": tmp_path / "annotations.json",
            "images_folder": tmp_path / "images",
            "image_name": "phantom_test_{image_id:012d}.png",
        }
    )
    drawn = load_dataset({"name": "phantom", "split": "test", "images": 6})
    assert len(drawn.examples()) == count
    for ours, theirs in zip(drawn.examples(), read.examples(), strict=True):
        for field in (
            "image_id",
            "question_id",
            "question",
            "answers",
            "answer",
            "question_type",
            "answer_type",
        ):
            assert getattr(ours, field) == getattr(theirs, field)
    for image_id in {example.image_id for example in drawn.examples()}:
        assert np.array_equal(drawn.image(image_id), read.image(image_id))


def test_masks_number_the_objects(tmp_path: Path) -> None:
    export(tmp_path, images=2)
    drawn = load_dataset({"name": "phantom", "split": "test", "images": 2})
    labels = np.array(Image.open(tmp_path / "masks" / "phantom_test_000000000001.png"))
    mask = drawn.object_mask("1")
    assert mask is not None
    assert np.array_equal(labels > 0, mask)
    assert set(np.unique(labels)) == set(range(int(labels.max()) + 1))


def test_annotations_have_the_official_shape(tmp_path: Path) -> None:
    export(tmp_path, images=2)
    annotations = json.loads((tmp_path / "annotations.json").read_text())["annotations"]
    for annotation in annotations:
        assert [answer["answer_id"] for answer in annotation["answers"]] == list(range(1, 11))
        assert annotation["question_id"] // 1000 == annotation["image_id"]


def test_an_image_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="images 0 to 1; got '7'"):
        load_dataset({"name": "phantom", "split": "test", "images": 2}).image("7")


def test_splits_and_worlds_differ() -> None:
    fingerprints = {
        load_dataset({"name": "phantom", "split": split, "images": 5, "world": world}).fingerprint
        for split in ("val", "test")
        for world in ("balanced", "neutral")
    }
    assert len(fingerprints) == 4
