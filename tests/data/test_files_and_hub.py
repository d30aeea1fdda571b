"""The official files and the hub give equal examples and equal pixels, data set by data set."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from coco_fixture import PHOTOS, file_name, photo, picture, write_hub, write_json, write_photos

from robust_atp.data import Dataset, load_dataset
from robust_atp.errors import UserError

Entry = dict[str, Any]
QUESTIONS = [(number, k) for number in PHOTOS for k in range(2)]


def vqav2(folder: Path) -> tuple[Entry, Entry]:
    questions = [
        {"image_id": i, "question_id": i * 1000 + k, "question": f"what is {k}"} for i, k in QUESTIONS
    ]
    annotations = [
        {
            "question_id": i * 1000 + k, "image_id": i, "question_type": "what is", "answer_type": "other",
            "multiple_choice_answer": "red",
            "answers": [{"answer": "red", "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)],
        }
        for i, k in QUESTIONS
    ]  # fmt: skip
    write_json(folder / "q.json", {"info": {"a": [1]}, "questions": questions, "license": {}})
    write_json(folder / "a.json", {"annotations": annotations[::-1]})
    write_json(folder / "pairs.json", [[7000, 3000], [7001, 12001]])
    rows = [q | a | {"image": picture(q["image_id"])} for q, a in zip(questions, annotations, strict=True)]
    write_hub(folder / "hub", {"default": ("validation", rows)})
    pairs = {"pairs": "pairs.json"}
    files = {"questions": "q.json", "annotations": "a.json", "image_name": "COCO_val2014_{image_id:012d}.png"}
    return files | pairs, {"hub": "hub"} | pairs


def gqa(folder: Path) -> tuple[Entry, Entry]:
    records = {
        f"0{i}{k}": {
            "imageId": f"n{i}", "question": f"what is {k}", "answer": "yes" if k else "red",
            "isBalanced": k == 0 or i == 3, "fullAnswer": "It is.", "entailed": [f"0{i}1", f"0{i}0"][k:],
            "groups": {"global": "color" if k else None, "local": "x-y"},
            "types": {"structural": ["query", "verify"][k], "semantic": "obj", "detailed": "d"},
            "semantic": [{"operation": "select", "argument": "dog (1)", "dependencies": []}],
        }
        for i, k in QUESTIONS
    }  # fmt: skip
    write_json(folder / "q.json", records)
    rows = [{"id": name, **record, "entailed": str(record["entailed"])} for name, record in records.items()]
    images = [{"id": f"n{i}", "image": picture(i)} for i in PHOTOS[::-1]]
    write_hub(
        folder / "hub",
        {"testdev_balanced_instructions": ("testdev", rows), "testdev_balanced_images": ("testdev", images)},
    )
    for number in PHOTOS:
        (folder / "images" / file_name(number)).rename(folder / "images" / f"n{number}.jpg")
    return {"questions": "q.json", "split": "testdev"}, {"hub": "hub", "split": "testdev"}


def pope(folder: Path) -> tuple[Entry, Entry]:
    records = [
        {"question_id": n, "image": file_name(i).replace("png", "jpg"), "text": f"Is there a dog {k} in the image?",
         "label": ["yes", "no"][k]}
        for n, (i, k) in enumerate(QUESTIONS)
    ]  # fmt: skip
    (folder / "q.json").write_text("\n".join(map(json.dumps, records)))
    rows = [
        {"question_id": str(r["question_id"]), "question": r["text"], "answer": r["label"],
         "image_source": Path(str(r["image"])).stem, "image": picture(i), "category": "random"}
        for r, (i, _) in zip(records, QUESTIONS, strict=True)
    ]  # fmt: skip
    write_hub(folder / "hub", {"Full": ("random", rows)})
    files = {"questions": "q.json", "image_name": "COCO_val2014_{image_id:012d}.png"}
    return files | {"split": "random"}, {"hub": "hub", "split": "random"}


def captions(folder: Path) -> tuple[Entry, Entry]:
    texts = {i: [f"a photo of number {i}", f"{k} dogs"] for i, k in QUESTIONS}
    images = [{"id": i, "file_name": file_name(i)} for i in PHOTOS]
    annotations = [
        {"image_id": i, "id": 10 * i + n, "caption": texts[i][n]} for n in (0, 1) for i in sorted(PHOTOS)
    ]
    write_json(folder / "c.json", {"images": images, "annotations": annotations})
    rows = [
        {"question_id": file_name(i), "file_name": file_name(i), "answer": texts[i], "image": picture(i)}
        for i in PHOTOS
    ]
    write_hub(folder / "hub", {"default": ("validation", rows)})
    return {"captions": "c.json", "image_name": "COCO_val2014_{image_id:012d}.png"}, {"hub": "hub"}


def karpathy(folder: Path) -> tuple[Entry, Entry]:
    texts = {i: [f"a photo of number {i}", f"{k} dogs"] for i, k in QUESTIONS}
    images = [
        {"cocoid": i, "split": "test", "filename": file_name(i), "sentences": [{"raw": text} for text in texts[i]]}
        for i in PHOTOS
    ]  # fmt: skip
    write_json(folder / "k.json", {"images": [{**images[0], "split": "train"}, *images]})
    rows = [{"cocoid": i, "split": "test", "filename": file_name(i), "sentences": texts[i]} for i in PHOTOS]
    write_hub(folder / "hub", {"default": ("test", rows)})
    photos = {
        "name": "coco-captions", "split": "test", "images_folder": "images",
        "image_name": "COCO_val2014_{image_id:012d}.png",
    }  # fmt: skip
    return photos | {"karpathy": "k.json"}, photos | {"hub": "hub"}


def table(folder: Path) -> tuple[Entry, Entry]:
    rows = [
        {
            "image": file_name(i),
            "question": f"what is {k}",
            "answer": "red",
            "question_id": f"{i}-{k}",
            "place": "sea",
        }
        for i, k in QUESTIONS
    ]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    hub = [
        row | {"file_name": row["image"], "image": picture(i)}
        for row, (i, _) in zip(rows, QUESTIONS, strict=True)
    ]
    write_hub(folder / "hub", {"default": ("validation", hub)})
    return {"table": "t.jsonl"}, {"hub": "hub"}


SOURCES: dict[str, Callable[[Path], tuple[Entry, Entry]]] = {
    "vqav2": vqav2, "gqa": gqa, "pope": pope, "coco-captions": captions, "karpathy": karpathy, "table": table,
}  # fmt: skip


@dataclass(frozen=True)
class Both:
    """A data set, twice."""

    name: str
    files: Dataset
    hub: Dataset


@pytest.fixture(params=SOURCES)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    write_photos(tmp_path / "images")
    files, hub = SOURCES[request.param](tmp_path)
    common = {"name": request.param, "split": "val"}
    return Both(
        request.param,
        load_dataset(common | {"images_folder": "images"} | files, base=tmp_path),
        load_dataset(common | hub, base=tmp_path),
    )


def test_examples_pixels_and_fingerprint_are_equal(both: Both) -> None:
    assert list(both.files.examples()) == list(both.hub.examples())
    assert both.files.image_ids() == both.hub.image_ids()
    assert both.files.fingerprint == both.hub.fingerprint
    assert both.files.metric == both.hub.metric
    for number, image_id in zip(PHOTOS, both.files.image_ids(), strict=True):
        assert np.array_equal(both.files.image(image_id), photo(number))
        assert np.array_equal(both.hub.image(image_id), photo(number))


def test_examples_of_some_images_are_those_of_all(both: Both) -> None:
    for data in (both.files, both.hub):
        ids = data.image_ids()
        assert list(data.examples(ids)) == list(data.examples())
        chosen = [ids[2], ids[0]]
        assert list(data.examples(chosen)) == [e for e in data.examples() if e.image_id in chosen]
        assert data.examples()[-1] == list(data.examples())[-1]
        assert len(data.examples()) == len(list(data.examples()))


def test_an_image_that_is_not_there(both: Both) -> None:
    with pytest.raises(UserError, match="999"):
        both.files.image("999.png")
    with pytest.raises(UserError, match=r"has no image '999\.png'|is missing"):
        both.hub.image("999.png")


def test_captions_without_pictures_need_a_folder_of_them(tmp_path: Path) -> None:
    karpathy(tmp_path)
    with pytest.raises(UserError, match="holds no pictures: give images_folder, too"):
        load_dataset({"name": "coco-captions", "split": "test", "hub": "hub"}, base=tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_a_commit_of_the_hub_is_recorded_and_decides(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    load = datasets.load_dataset

    def from_a_folder(hub: str, subset: Any, *, split: str, revision: Any) -> Any:
        assert hub == "someone/something"
        asked.append(revision)
        return load(str(tmp_path / "hub"), subset, split=split)

    monkeypatch.setattr(datasets, "load_dataset", from_a_folder)
    write_photos(tmp_path / "images")
    _, hub = SOURCES[name](tmp_path)
    entry = {"name": name, "split": "val"} | hub | {"hub": "someone/something"}
    first, other = (load_dataset(entry | {"revision": letter * 40}, base=tmp_path) for letter in "ab")
    assert (first.revision, other.revision) == ("a" * 40, "b" * 40)
    assert set(asked) == {"a" * 40, "b" * 40}
    assert first.fingerprint != other.fingerprint
    assert load_dataset({"name": "phantom"}).revision == ""
