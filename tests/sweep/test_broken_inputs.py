"""Broken inputs from the command line: one clear line, the sweep stops or goes on as documented, nothing is lost.

What is wrong with annotation files stops everything before it begins. What is wrong with an image fails the units that
hold it, and no others; once it is mended, the same command completes them.
"""

import json
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from official_files import IMAGE_NAME, write_official_files
from PIL import Image

from robust_atp import open_results
from robust_atp.cli import main
from robust_atp.data.images import decode_rgb
from robust_atp.interventions import pixel_hash

Damage = Callable[[Any], Any]


def study_of(folder: Path, dataset: str) -> Path:
    """A study of the phantom on one data set, whose official files are in ``folder``; a unit holds one image."""
    entries = {entry["name"]: entry for entry in write_official_files(folder)}
    document = {
        "name": "broken", "backbones": ["phantom"], "data": [entries[dataset]], "shard_images": 1,
        "grid": {"keep": [0.5]},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(document))
    return folder / "study.yaml"


def twice(key: str) -> Damage:
    return lambda content: content | {key: [*content[key], content[key][0]]}


def without(list_key: str, key: str) -> Damage:
    def damaged(content: Any) -> Any:
        records = content[list_key] if list_key else content.values()
        next(iter(records)).pop(key)
        return content

    return damaged


def lines(change: Callable[[list[Any]], list[Any]]) -> Callable[[str], str]:
    return lambda text: "\n".join(map(json.dumps, change([json.loads(line) for line in text.splitlines()])))


def parsed(change: Damage) -> Callable[[str], str]:
    return lambda text: json.dumps(change(json.loads(text)))


def in_the_middle(text: str) -> str:
    return text[: len(text) // 2]


BROKEN_FILES = [
    ("vqav2", "vqa_questions.json", parsed(twice("questions")), "question ids in {file} occur more than once: 0"),
    ("vqav2", "vqa_annotations.json", parsed(twice("annotations")), "ids in {file} occur more than once: 0"),
    ("vqav2", "vqa_annotations.json", parsed(without("annotations", "answers")), "lacks 'answers'"),
    ("vqav2", "vqa_annotations.json", in_the_middle, "{file}:1: not valid JSON"),
    ("vqav2", "vqa_questions.json", lambda text: "", "{file}:1: not valid JSON: Expecting value"),
    ("gqa", "gqa_val_all_questions.json", lambda t: t[:-1] + "," + t[1:], "question ids in {file} occur more"),
    ("gqa", "gqa_val_all_questions.json", parsed(without("", "answer")), "{file}, question 000: lacks 'answer'"),
    ("gqa", "gqa_val_all_questions.json", in_the_middle, "{file}:1: not valid JSON"),
    ("gqa", "gqa_val_choices.json", lambda text: "{}", "{file}: has no choices for question 000"),
    ("gqa", "gqa_val_scene_graphs.json", in_the_middle, "{file}:1: not valid JSON"),
    ("gqa-ood", "ood_testdev_tail.json", parsed(without("", "types")), "lacks 'types'"),
    ("gqa-ood", "ood_testdev_head.json", lambda text: "[]", "{file}: expected an object, got list"),
    ("coco-captions", "captions_val2014.json", parsed(twice("images")), "image ids in {file} occur more than once"),
    ("coco-captions", "captions_val2014.json", parsed(without("annotations", "caption")), "lacks 'caption'"),
    ("coco-captions", "captions_val2014.json", in_the_middle, "{file}:1: not valid JSON"),
    ("pope", "coco_pope_random.json", lines(lambda found: [*found, found[0]]), "occur more than once: 1"),
    ("pope", "coco_pope_random.json", lines(lambda f: [f[0] | {"label": "maybe"}]), "must be yes or no, got 'maybe'"),
    ("pope", "coco_pope_random.json", in_the_middle, "not valid JSON"),
    ("pope-builder", "instances_val2014.json", parsed(twice("images")), "image ids in {file} occur more than once"),
    ("pope-builder", "instances_val2014.json", parsed(without("annotations", "category_id")), "lacks 'category_id'"),
    ("table", "questions.csv", lambda text: text.replace("answer", "reply"), "row 1: lacks answer or answers"),
    ("table", "questions.csv", lambda text: text.splitlines()[0], "{file}: holds no questions"),
]  # fmt: skip


@pytest.mark.parametrize(("dataset", "name", "damage", "message"), BROKEN_FILES)
def test_a_broken_file_stops_plan_and_run_before_anything_begins(
    dataset: str, name: str, damage: Callable[[str], str], message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    study, file = study_of(tmp_path, dataset), tmp_path / name
    file.write_text(damage(file.read_text()))
    for command in (["plan", str(study)], ["run", str(study), "--out", str(tmp_path / "out")]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1, "one line"
        assert message.format(file=file) in said
    assert not (tmp_path / "out").exists()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo(), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "image file is missing: {image}"),
        (b"", "image file cannot be decoded: {image} (the file is empty)"),
        (encoded(photo(), "JPEG")[:900], "image file cannot be decoded: {image} (image file is truncated"),
        (b"<html>404 Not Found</html>", "image file cannot be decoded: {image} (cannot identify"),
        (encoded(Image.new("1", (10_000, 10_000)), "PNG"), "{image} (Image size (100000000 pixels) exceeds"),
    ],
    ids=["missing", "empty", "truncated", "no image", "huge"],
)
def test_a_broken_image_fails_its_units_and_is_made_up_for(
    content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, image = study_of(tmp_path, "vqav2"), tmp_path / "images" / IMAGE_NAME.format(1)
    healthy, out = image.read_bytes(), tmp_path / "out"
    image.unlink()
    if content is not None:
        image.write_bytes(content)
    assert main(["run", str(study), "--out", str(out)]) == 3
    shown = capsys.readouterr().out
    assert "1 units done, 1 failed" in shown
    (reason,) = open_results(out).status().failures.values()
    assert message.format(image=image) in reason
    assert reason in shown
    assert set(open_results(out).records()["image_id"]) == {"0"}
    done = {path: path.stat().st_mtime_ns for path in open_results(out).files()}

    image.write_bytes(healthy)
    assert main(["run", str(study), "--out", str(out)]) == 0
    results = open_results(out)
    assert set(results.records()["image_id"]) == {"0", "1"}
    assert {path: path.stat().st_mtime_ns for path in results.files() if path in done} == done


@pytest.mark.parametrize(
    "content",
    [
        encoded(photo().convert("CMYK"), "JPEG"),
        encoded(Image.fromarray(np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)), "PNG"),
        encoded(photo().convert("P"), "GIF", save_all=True, append_images=[photo().rotate(90)]),
        encoded(photo().convert("LA"), "PNG"),
        encoded(Image.new("L", (1, 1)), "PNG"),
        turned(),
    ],
    ids=["CMYK", "16 bits", "animated", "grey with transparency", "one pixel", "turned by EXIF"],
)
def test_an_unusual_image_is_answered_about(content: bytes, tmp_path: Path) -> None:
    study, image = study_of(tmp_path, "vqav2"), tmp_path / "images" / IMAGE_NAME.format(1)
    image.write_bytes(content)
    assert main(["run", str(study), "--out", str(tmp_path / "out")]) == 0
    records = open_results(tmp_path / "out").records()
    seen = records[records["image_id"] == "1"]["image_hash"]
    assert set(seen) == {pixel_hash(decode_rgb(content, "image"))}


def renamed(folder: Path, dataset: str, name: str) -> None:
    """Have the records of a data set ask for an image called ``name`` instead of the last one."""
    file, key, old = {
        "pope": ("coco_pope_random.json", "image", IMAGE_NAME.format(1)),
        "table": ("questions.csv", "image", IMAGE_NAME.format(1)),
        "gqa": ("gqa_val_all_questions.json", "imageId", "n1"),
    }[dataset]
    path = folder / file
    written = path.read_text()
    if dataset == "table":
        path.write_text(written.replace(old, name))
    else:
        path.write_text(written.replace(f'"{key}": "{old}"', f'"{key}": {json.dumps(name)}'))


@pytest.mark.parametrize("dataset", ["pope", "table", "gqa"])
@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/secret", "..\\secret"])
def test_a_path_that_leaves_the_image_folder_is_not_followed(
    dataset: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of(tmp_path, dataset)
    suffix = "" if dataset == "gqa" else ".jpg"
    (tmp_path / "secret.jpg").write_bytes((tmp_path / "images" / IMAGE_NAME.format(1)).read_bytes())
    renamed(tmp_path, dataset, name + suffix)
    assert main(["run", str(study), "--out", str(tmp_path / "out")]) == 3
    (reason,) = open_results(tmp_path / "out").status().failures.values()
    if "\\" in name and os.sep == "/":
        assert "image file is missing" in reason  # an ordinary character here
    else:
        assert reason == f"image '{name}.jpg' lies outside the image folder {tmp_path / 'images'}"
    assert reason in capsys.readouterr().out


def test_a_link_inside_the_image_folder_is_followed_wherever_it_leads(tmp_path: Path) -> None:
    # The hub's own cache keeps photos as links to blobs beside it.
    study, image = study_of(tmp_path, "vqav2"), tmp_path / "images" / IMAGE_NAME.format(1)
    image.rename(tmp_path / "blob")
    image.symlink_to(tmp_path / "blob")
    assert main(["run", str(study), "--out", str(tmp_path / "out")]) == 0
