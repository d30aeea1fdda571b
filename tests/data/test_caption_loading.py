"""What is particular to captions: Karpathy's splits, fixed document frequencies, masks."""

import os
from pathlib import Path
from typing import Any

import pytest
from coco_fixture import write_json

from robust_atp.data import load_dataset
from robust_atp.errors import UserError
from robust_atp.scoring import caption_scores, document_frequencies, scorer

COCO49 = os.environ.get("ROBUST_ATP_COCO49")
KARPATHY = {
    "images": [
        {
            "cocoid": n,
            "split": split,
            "filename": f"{n}.jpg",
            "sentences": [{"raw": f"{word} {n}."} for word in "ab"],
        }
        for n, split in [(5, "test"), (2, "train"), (9, "test"), (4, "val")]
    ],
    "dataset": "coco",
}


def load(folder: Path, **keys: Any) -> Any:
    return load_dataset({"name": "coco-captions", "images_folder": "."} | keys, base=folder)


def test_a_split_of_karpathys(tmp_path: Path) -> None:
    write_json(tmp_path / "k.json", KARPATHY)
    data = load(tmp_path, karpathy="k.json", split="test")
    assert [(e.image_id, e.question_id, e.answers) for e in data.examples()] == [
        ("5", "5", ("a 5.", "b 5.")), ("9", "9", ("a 9.", "b 9.")),
    ]  # fmt: skip
    assert data.metric == "cider"
    with pytest.raises(UserError, match="has no split 'dev', only test, train, val"):
        load(tmp_path, karpathy="k.json", split="dev")


def test_a_limit_leaves_the_document_frequencies_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "k.json", KARPATHY)
    whole, part = (load(tmp_path, karpathy="k.json", split="test", limit=n) for n in (None, 1))
    assert len(part.examples()) == 1
    frequencies = [document_frequencies(data.references()) for data in (whole, part)]
    assert frequencies[0] == frequencies[1]
    assert frequencies[0].images == 2


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([{"image_id": 1}], r"annotations\[0\]: lacks 'caption'"),
        ([{"image_id": 1, "caption": None}], r"annotations\[0\]: 'caption' must be text, got None"),
        ([{"image_id": 2, "caption": "a"}], "holds no questions"),
    ],
)
def test_malformed_files(tmp_path: Path, annotations: Any, message: str) -> None:
    write_json(tmp_path / "c.json", {"images": [{"id": 1}], "annotations": annotations})
    with pytest.raises(UserError, match=message):
        load(tmp_path, captions="c.json", split="val")


def test_an_image_that_is_listed_twice(tmp_path: Path) -> None:
    captions = [{"image_id": 1, "caption": "a"}]
    write_json(tmp_path / "c.json", {"images": [{"id": 1}, {"id": 1}], "annotations": captions})
    with pytest.raises(UserError, match=r"image ids in .*c\.json occur more than once: 1"):
        load(tmp_path, captions="c.json", split="val")
    write_json(tmp_path / "k.json", {"images": [*KARPATHY["images"], KARPATHY["images"][2]]})
    with pytest.raises(UserError, match=r"image ids in .*k\.json, split test occur more than once: 9"):
        load(tmp_path, karpathy="k.json", split="test")


@pytest.mark.skipif(COCO49 is None, reason="ROBUST_ATP_COCO49 names no folder with the 49 photos")
def test_real_captions_of_real_photos() -> None:
    keys = {"captions": "captions.json", "instances": "instances.json", "images_folder": "images"}
    data = load(Path(str(COCO49)), **keys, split="val", image_name="{image_id:012d}.jpg")
    assert len(data.examples()) == 46
    assert {len(example.answers) for example in data.examples()} == {5}
    score = scorer(data.metric, data.references())
    held_out = {e.image_id: e.answers[0] for e in data.examples()}
    per_image = [score(held_out[e.image_id], e.answers[1:]) for e in data.examples()]
    corpus = caption_scores(
        held_out,
        {e.image_id: e.answers[1:] for e in data.examples()},
        document_frequencies=document_frequencies(data.references()),
    )
    assert sum(per_image) / 46 * 10 == pytest.approx(corpus["cider"])
    # People agree with one another: far from 0, and far from a copy of a reference.
    assert 0.4 < corpus["cider"] < 1.5
    masks = {image_id: data.object_mask(image_id) for image_id in data.image_ids()}
    known = {image_id: mask for image_id, mask in masks.items() if mask is not None}
    assert len(known) >= 40
    for image_id, mask in known.items():
        assert mask.shape == data.image(image_id).shape[:2]


def test_annotated_objects_are_told_by_their_names(tmp_path: Path) -> None:
    write_json(tmp_path / "k.json", KARPATHY)
    boxes = [(5, 1), (5, 44), (5, 1)]
    instances = {
        "images": [{"id": n, "height": 2, "width": 2} for n in (5, 4)],
        "annotations": [{"image_id": n, "category_id": c, "bbox": [0, 0, 1, 1]} for n, c in boxes],
        "categories": [{"id": 1, "name": "person"}, {"id": 44, "name": "dining table"}],
    }
    write_json(tmp_path / "i.json", instances)
    files = {"karpathy": "k.json", "instances": "i.json"}
    objects = {
        split: [dict(example.group) for example in load(tmp_path, **files, split=split).examples()]
        for split in ("test", "val")
    }
    # Photo 9 is not among the annotated ones; photo 4 is, and shows nothing.
    assert objects == {"test": [{"objects": "person, dining table"}, {}], "val": [{"objects": ""}]}
    assert not any(example.group for example in load(tmp_path, karpathy="k.json", split="test").examples())
