"""What is particular to GQA and GQA-OOD: entailed questions, groups, masks."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from coco_fixture import write_json

from robust_atp.data import load_dataset
from robust_atp.errors import UserError
from robust_atp.scoring import gqa_ood_scores

OOD = os.environ.get("ROBUST_ATP_GQA_OOD")


def record(
    image: str, *, balanced: bool = True, entailed: tuple[str, ...] = (), **keys: Any
) -> dict[str, Any]:
    return {
        "imageId": image, "question": "what is it", "answer": "dog", "isBalanced": balanced, "entailed": list(entailed),
        "types": {"structural": "query", "semantic": "obj", "detailed": "d"},
        "groups": {"global": None, "local": "10q-dog"},
        "semantic": [{"operation": "select", "argument": "dog (1)"}, {"operation": "query", "argument": "name"}],
        **keys,
    }  # fmt: skip


QUESTIONS = {
    "01": record("n1", entailed=("01", "03")),
    "02": record("n2"),
    "03": record("n1", balanced=False),
    "04": record("n1", balanced=False),
}


def load(folder: Path, questions: Any, **keys: Any) -> Any:
    write_json(folder / "q.json", questions)
    entry = {"name": "gqa", "split": "val", "questions": "q.json", "images_folder": "."}
    return load_dataset(entry | keys, base=folder)


def test_balanced_questions_are_asked_and_entailed_ones_if_wanted(tmp_path: Path) -> None:
    assert [e.question_id for e in load(tmp_path, QUESTIONS).examples()] == ["01", "02"]
    entailed = load(tmp_path, QUESTIONS, entailed=True).examples()
    assert [e.question_id for e in entailed] == ["01", "03", "02"]
    assert [e.group["balanced"] for e in entailed] == ["yes", "no", "yes"]


def test_the_group_holds_what_the_official_scores_ask_for(tmp_path: Path) -> None:
    example = load(tmp_path, QUESTIONS).examples()[0]
    assert dict(example.group) == {
        "structural": "query", "semantic": "obj", "detailed": "d", "local": "10q-dog", "steps": "1",
        "balanced": "yes", "entailed": "01 03",
    }  # fmt: skip
    assert (example.image_id, example.answers, example.question_type) == ("n1", ("dog",), "query")


@pytest.mark.parametrize(("protocol", "metric"), [("official", "gqa"), ("llava", "gqa:llava")])
def test_the_protocol_names_the_metric(tmp_path: Path, protocol: str, metric: str) -> None:
    assert load(tmp_path, QUESTIONS, protocol=protocol).metric == metric


def test_scene_graphs_are_masks(tmp_path: Path) -> None:
    graph = {"width": 4, "height": 3, "objects": {"1": {"name": "dog", "x": 1, "y": 1, "w": 2, "h": 1}}}
    write_json(tmp_path / "g.json", {"n1": graph})
    data = load(tmp_path, QUESTIONS, scene_graphs="g.json")
    assert data.object_mask("n1").sum() == 2
    assert data.object_mask("n2") is None


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ({"1": {}}, r"question 1: lacks 'isBalanced' \(has: nothing\)"),
        ({"1": record("n1", answer=3)}, "question 1: 'answer' must be text, got 3"),
        ({"1": record("")}, "question 1: 'imageId' must be a number or text, got ''"),
        ({"1": record("n1", balanced=False)}, "holds no questions"),
        ([record("n1")], "expected an object, got list"),
    ],
)
def test_malformed_files(tmp_path: Path, questions: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, questions)


def test_head_and_tail(tmp_path: Path) -> None:
    write_json(tmp_path / "head.json", {"01": QUESTIONS["01"]})
    write_json(tmp_path / "tail.json", {"02": QUESTIONS["02"]})
    entry = {
        "name": "gqa-ood",
        "split": "testdev",
        "head": "head.json",
        "tail": "tail.json",
        "images_folder": ".",
    }
    data = load_dataset(entry, base=tmp_path)
    assert [(e.question_id, e.group["frequency"]) for e in data.examples()] == [
        ("01", "head"),
        ("02", "tail"),
    ]
    write_json(tmp_path / "tail.json", {"01": QUESTIONS["01"]})
    with pytest.raises(UserError, match=r"question ids in .* occur more than once: 01"):
        load_dataset(entry, base=tmp_path)


@pytest.mark.skipif(OOD is None, reason="ROBUST_ATP_GQA_OOD names no folder with records of GQA-OOD")
def test_real_records() -> None:
    entry = {
        "name": "gqa-ood", "split": "testdev", "images_folder": ".",
        "head": "testdev_head_300.json", "tail": "testdev_tail_300.json",
    }  # fmt: skip
    data = load_dataset(entry, base=Path(str(OOD)))
    assert len(data.examples()) == 600
    assert {e.group["frequency"] for e in data.examples()} == {"head", "tail"}
    head, tail = (
        json.loads((Path(str(OOD)) / f"testdev_{name}_300.json").read_text()) for name in ("head", "tail")
    )
    said = [{"questionId": e.question_id, "prediction": e.answer} for e in data.examples()]
    assert gqa_ood_scores(head, tail, said) == {"all": 100, "head": 100, "tail": 100, "delta": 0}
