"""Official figures from records: those of the pure functions on the same answers."""

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from robust_atp.records import SCHEMA
from robust_atp.report.tables.official import official
from robust_atp.scoring import caption_scores, pope_scores, vqa_accuracy


def records(rows: list[dict[str, Any]]) -> pa.Table:
    common = {
        "backbone": "b", "dataset": "d", "split": "val", "pruner": "none", "keep": 1.0, "position_policy": "original",
        "intervention": "clean", "severity": 0, "noise_seed": 0, "group": "{}", "answer_type": "other",
    }  # fmt: skip
    return pa.Table.from_pylist([common | row for row in rows], schema=SCHEMA)


def figures(rows: list[dict[str, Any]], **where: Any) -> dict[str, float]:
    table = official(records(rows))
    for column, value in where.items():
        table = table[table[column] == value]
    return dict(zip(table["quantity"], table["value"], strict=True))


def vqa_rows(said: str, answers: list[str], kind: str, number: int) -> dict[str, Any]:
    return {
        "metric": "vqa", "image_id": "1", "question_id": str(number), "question": "q", "answer_type": kind,
        "prediction": said, "answer": answers[0], "answers": answers, "score": vqa_accuracy(said, answers),
    }  # fmt: skip


def test_vqav2_by_answer_type_and_under_both_protocols() -> None:
    rows = [
        vqa_rows("Yes", ["yes"] * 10, "yes/no", 1),
        vqa_rows("red", ["red"] * 3 + ["blue"] * 7, "other", 2),
    ]
    assert figures(rows) == pytest.approx(
        {"overall": 45, "overall, always-normalise": 95, "yes/no": 0, "other": 90}
    )


def pope_row(split: str, image: str, name: str, label: str, said: str) -> dict[str, Any]:
    return {
        "metric": "pope", "split": split, "image_id": image, "question_id": f"{image}{name}",
        "question": f"Is there a {name} in the image?", "prediction": said, "answer": label, "answers": [label],
        "score": float(said == label),
    }  # fmt: skip


def test_pope_split_by_split_and_every_pair_once() -> None:
    shared = [("1", "cup", "yes", "yes"), ("2", "cup", "yes", "no")]
    rows = [pope_row(split, *pair) for split in ("popular", "random") for pair in shared]
    rows += [pope_row("random", "1", "dog", "no", "no"), pope_row("popular", "1", "car", "no", "yes")]
    random = figures(rows, split="random")
    assert {name: random[name] for name in ("accuracy", "f1", "yes_ratio")} == pytest.approx(
        {
            name: value
            for name, value in pope_scores(["yes", "yes", "no"], ["yes", "no", "no"]).items()
            if name in ("accuracy", "f1", "yes_ratio")
        }
    )
    assert random["object_prior"] == 1
    assert figures(rows, split="unique")["accuracy"] == pytest.approx(2 / 4)
    table = official(records(rows))
    assert set(table[table["split"] == "unique"]["n"]) == {4}


def gqa_row(name: str, kind: str, said: str, answer: str, **group: str) -> dict[str, Any]:
    about = {"structural": kind, "semantic": "obj", "detailed": "d", "steps": "1", "balanced": "yes", **group}
    return {
        "metric": "gqa:llava", "image_id": "n1", "question_id": name, "question": "what is it", "prediction": said,
        "answer": answer, "answers": [answer], "group": json.dumps(about),
        "score": float(said.rstrip(".").lower() == answer),
    }  # fmt: skip


def test_gqa_with_entailed_questions() -> None:
    rows = [
        gqa_row("1", "query", "Dog.", "dog", entailed="1 2"),
        gqa_row("2", "verify", "No", "yes", balanced="no"),
        gqa_row("3", "choose", "left", "right", **{"global": "place"}),
    ]
    found = figures(rows)
    assert {name: found[name] for name in ("accuracy", "open", "binary", "consistency")} == {
        "accuracy": 50, "open": 100, "binary": 0, "consistency": 0,
    }  # fmt: skip
    assert found["distribution"] == pytest.approx(1 / 100)


def test_captions_are_scored_as_a_corpus() -> None:
    references = {"1": ["a red star", "one star"], "2": ["two dogs run", "dogs"]}
    said = {"1": "a star", "2": "two dogs"}
    rows = [
        {"metric": "cider", "image_id": name, "question_id": name, "question": "", "prediction": said[name],
         "answer": references[name][0], "answers": references[name], "score": 0.1}
        for name in references
    ]  # fmt: skip
    assert figures(rows) == pytest.approx(caption_scores(said, references) | {"cider": 1.0})


def test_noise_seeds_are_averaged() -> None:
    rows = [vqa_rows(said, ["red"] * 10, "other", 1) for said in ("red", "blue")]
    noisy = [
        row | {"intervention": "fog", "severity": 1, "noise_seed": seed} for seed, row in enumerate(rows)
    ]
    assert figures(noisy)["overall"] == 50
    assert len(official(records(noisy))) == 3


def test_metrics_without_an_official_program_are_left_out() -> None:
    table = official(records([vqa_rows("red", ["red"], "other", 1) | {"metric": "exact"}]))
    assert isinstance(table, pd.DataFrame)
    assert table.empty
