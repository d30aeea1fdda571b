"""The phantom in the official VQAv2 file format, for use with any other tool."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from robust_atp.data.phantom import ANNOTATORS, ANSWER_TYPES, question_id
from robust_atp.phantom.questions import Question
from robust_atp.phantom.split import HeldOutScene, held_out

IMAGE_NAME = "phantom_{split}_{image_id:012d}.png"


def export(folder: Path, split: str = "test", images: int = 48, world: str = "balanced") -> int:
    """Write ``images/``, ``masks/``, ``questions.json`` and ``annotations.json``; return the number of questions.

    A mask holds the number of the object at each pixel, counted from 1, and 0 on the background. Annotations carry
    two keys beyond the official ones, which other readers ignore: ``alignment`` and ``background``.
    """
    scenes = held_out(split, images, world)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        name = IMAGE_NAME.format(split=split, image_id=scene.index)
        Image.fromarray(scene.image).save(folder / "images" / name)
        labels = np.arange(1, len(scene.masks) + 1, dtype=np.uint8)
        Image.fromarray((scene.masks * labels[:, None, None]).max(0)).save(folder / "masks" / name)

    asked = [(scene, number, question) for scene in scenes for number, question in enumerate(scene.questions)]
    common = {
        "info": {"description": f"robust-atp phantom, {world} world", "version": "1.0"},
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        "data_type": "phantom",
        "data_subtype": split,
    }
    questions = [
        {"image_id": scene.index, "question": question.text, "question_id": question_id(scene.index, number)}
        for scene, number, question in asked
    ]
    _write(folder / "questions.json", {**common, "task_type": "Open-Ended", "questions": questions})
    _write(folder / "annotations.json", {**common, "annotations": [_annotation(*entry) for entry in asked]})
    return len(asked)


def _annotation(scene: HeldOutScene, number: int, question: Question) -> dict[str, object]:
    return {
        "question_type": question.kind,
        "multiple_choice_answer": question.answer,
        "answers": [
            {"answer": question.answer, "answer_confidence": "yes", "answer_id": annotator + 1}
            for annotator in range(ANNOTATORS)
        ],
        "image_id": scene.index,
        "answer_type": ANSWER_TYPES.get(question.kind, "other"),
        "question_id": question_id(scene.index, number),
        "alignment": question.alignment,
        "background": scene.scene.background,
    }


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
