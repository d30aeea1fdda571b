"""Two rendered scenes as small official files of every data set, and the entries of a study that read them."""

import csv
import json
from pathlib import Path
from typing import Any

from PIL import Image

from robust_atp.phantom.questions import Question, caption
from robust_atp.phantom.split import HeldOutScene, held_out

Entry = dict[str, Any]

IMAGE_NAME = "COCO_val2014_{:012d}.jpg"


def write_official_files(folder: Path, images: int = 2) -> list[Entry]:
    """Write the files of all data sets to ``folder``; return the list ``data`` of a study, with paths below it."""
    scenes = held_out("val", images)
    _write_images(folder / "images", scenes)
    entries = [
        _vqav2(folder, scenes), _gqa(folder, scenes), _gqa_ood(folder, scenes), _captions(folder, scenes),
        _pope(folder, scenes), _pope_builder(folder, scenes), _table(folder, scenes),
    ]  # fmt: skip
    return [*entries, {"name": "phantom", "split": "val", "images": images}]


def _write_images(folder: Path, scenes: list[HeldOutScene]) -> None:
    """Write every scene under its COCO name and its GQA name; each is narrower than the one before."""
    folder.mkdir(parents=True)
    for scene in scenes:
        picture = Image.fromarray(scene.image[:, 16 * scene.index :])
        picture.save(folder / IMAGE_NAME.format(scene.index), quality=95)
        picture.save(folder / f"n{scene.index}.jpg", quality=95)


def _vqav2(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    asked = [
        (scene.index, 1000 * scene.index + k, question)
        for scene in scenes
        for k, question in enumerate(scene.questions[:3])
    ]
    questions = [{"image_id": i, "question_id": name, "question": q.text} for i, name, q in asked]
    annotations = [
        {
            "image_id": i, "question_id": name, "question_type": q.kind, "answer_type": "other",
            "multiple_choice_answer": q.answer,
            "answers": [{"answer": q.answer, "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)],
        }
        for i, name, q in asked
    ]  # fmt: skip
    _write(folder / "vqa_questions.json", {"task_type": "Open-Ended", "questions": questions})
    _write(folder / "vqa_annotations.json", {"data_type": "mscoco", "annotations": annotations})
    return {
        "name": "vqav2", "split": "val", "questions": "vqa_questions.json", "annotations": "vqa_annotations.json",
        "images_folder": "images",
    }  # fmt: skip


def gqa_records(scenes: list[HeldOutScene]) -> dict[str, Any]:
    """Questions as GQA's files hold them; the last about each scene is unbalanced, and entailed by the others."""
    records = {}
    for scene in scenes:
        last = f"0{scene.index}{len(scene.questions) - 1}"
        for k, question in enumerate(scene.questions):
            name = f"0{scene.index}{k}"
            records[name] = _gqa_record(scene, question, balanced=name != last, entailed=[name, last])
    return records


def _gqa_record(scene: HeldOutScene, question: Question, *, balanced: bool, entailed: list[str]) -> Entry:
    asked = "verify" if question.answer in ("yes", "no") else "query"
    return {
        "imageId": f"n{scene.index}", "question": question.text, "answer": question.answer,
        "fullAnswer": f"It is {question.answer}.", "isBalanced": balanced, "entailed": entailed, "equivalent": [],
        "groups": {"global": question.kind, "local": f"10q-{question.kind}"},
        "types": {"structural": asked, "semantic": "attr", "detailed": question.kind},
        "semantic": [{"operation": "select", "argument": "star (1)", "dependencies": []}],
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
    }  # fmt: skip


def _gqa(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    records = gqa_records(scenes)
    choices = {
        name: {
            "valid": ["red", "blue", "yes", "no", record["answer"]],
            "plausible": ["red", record["answer"]],
        }
        for name, record in records.items()
    }
    _write(folder / "gqa_val_all_questions.json", records)
    _write(folder / "gqa_val_choices.json", choices)
    _write(folder / "gqa_val_scene_graphs.json", {f"n{scene.index}": _scene_graph(scene) for scene in scenes})
    return {
        "name": "gqa", "split": "val", "questions": "gqa_val_all_questions.json", "entailed": True,
        "choices": "gqa_val_choices.json", "scene_graphs": "gqa_val_scene_graphs.json", "images_folder": "images",
    }  # fmt: skip


def _scene_graph(scene: HeldOutScene) -> Entry:
    objects = {
        str(number): {
            "name": found.shape, "attributes": [found.colour], "relations": [],
            **dict(zip("xywh", _box(found), strict=True)),
        }
        for number, found in enumerate(scene.scene.objects)
    }  # fmt: skip
    return {"width": 224 - 16 * scene.index, "height": 224, "objects": objects}


def _gqa_ood(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    balanced = {name: record for name, record in gqa_records(scenes).items() if record["isBalanced"]}
    parts = {"head": dict(list(balanced.items())[::2]), "tail": dict(list(balanced.items())[1::2])}
    for part, records in (parts | {"all": balanced}).items():
        _write(folder / f"ood_testdev_{part}.json", records)
    return {
        "name": "gqa-ood", "split": "testdev", "head": "ood_testdev_head.json", "tail": "ood_testdev_tail.json",
        "images_folder": "images",
    }  # fmt: skip


def _captions(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    images = [{"id": scene.index, "file_name": IMAGE_NAME.format(scene.index)} for scene in scenes]
    written = [
        {"image_id": scene.index, "id": 10 * scene.index + k, "caption": text}
        for scene in scenes
        for k, text in enumerate((caption(scene.scene), "Some shapes."))
    ]
    _write(folder / "captions_val2014.json", {"images": images, "annotations": written})
    return {
        "name": "coco-captions", "split": "val", "captions": "captions_val2014.json", "images_folder": "images",
    }  # fmt: skip


def _pope(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    names = [(scene.index, found.shape, "yes") for scene in scenes for found in scene.scene.objects[:1]]
    names += [(scene.index, "dog", "no") for scene in scenes]
    records = [
        {
            "question_id": number, "image": IMAGE_NAME.format(index), "text": f"Is there a {name} in the image?",
            "label": label,
        }
        for number, (index, name, label) in enumerate(names, start=1)
    ]  # fmt: skip
    (folder / "coco_pope_random.json").write_text("\n".join(map(json.dumps, records)))
    return {
        "name": "pope",
        "split": "random",
        "questions": "coco_pope_random.json",
        "images_folder": "images",
    }


def _pope_builder(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    kinds = sorted({f"{o.colour} {o.shape}" for scene in scenes for o in scene.scene.objects})
    images = [{"id": scene.index, "height": 224, "width": 224 - 16 * scene.index} for scene in scenes]
    annotations = [
        {"image_id": scene.index, "category_id": kinds.index(f"{o.colour} {o.shape}"), "bbox": _box(o), "iscrowd": 0}
        for scene in scenes
        for o in scene.scene.objects
    ]  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(kinds)]
    _write(
        folder / "instances_val2014.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
    return {
        "name": "pope-builder", "split": "popular", "instances": "instances_val2014.json", "images_folder": "images",
        "pairs": 1,
    }  # fmt: skip


def _table(folder: Path, scenes: list[HeldOutScene]) -> Entry:
    with (folder / "questions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "question", "answer", "background"])
        for scene in scenes:
            question = scene.questions[0]
            name = IMAGE_NAME.format(scene.index)
            table.writerow([name, question.text, question.answer, scene.scene.background])
    return {"name": "table", "split": "mine", "table": "questions.csv", "images_folder": "images"}


def _box(found: Any) -> list[float]:
    return [found.x - found.radius, found.y - found.radius, 2 * found.radius, 2 * found.radius]


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
