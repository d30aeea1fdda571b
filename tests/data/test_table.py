import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from coco_fixture import PHOTOS, file_name, write_photos

from robust_atp.data import load_dataset
from robust_atp.data.table import TableConfig
from robust_atp.errors import UserError
from robust_atp.scoring import scorer

ROWS: list[dict[str, Any]] = [
    {"image": file_name(n), "question": "is it red", "answers": ["yes", "yes", "no"], "place": "sea"}
    for n in PHOTOS
]


def write(folder: Path, suffix: str, rows: Any = ROWS) -> str:
    path = folder / f"t{suffix}"
    match suffix:
        case ".csv":
            texts = [row | {"answers": json.dumps(row["answers"])} for row in rows]
            pd.DataFrame(texts).to_csv(path, index=False)
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        case ".json":
            path.write_text(json.dumps(rows))
        case ".parquet":
            pd.DataFrame(rows).to_parquet(path)
    return path.name


def load(folder: Path, **keys: Any) -> Any:
    write_photos(folder / "images")
    entry = {"name": "table", "split": "test", "images_folder": "images"}
    return load_dataset(entry | keys, base=folder)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_every_kind_of_table_gives_the_same_examples(tmp_path: Path, suffix: str) -> None:
    data = load(tmp_path, table=write(tmp_path, suffix))
    example = data.examples()[0]
    assert (example.image_id, example.question_id, example.question) == (file_name(7), "1", "is it red")
    assert (example.answers, example.answer, example.answer_type) == (("yes", "yes", "no"), "yes", "yes/no")
    assert dict(example.group) == {"place": "sea"}
    assert [e.image_id for e in data.examples()] == [file_name(n) for n in PHOTOS]
    assert data.image(example.image_id).shape == (24, 37, 3)


def test_a_folder_of_images_with_its_own_table(tmp_path: Path) -> None:
    write_photos(tmp_path / "images")
    lines = [f"{file_name(n)},what is {n},dog" for n in PHOTOS]
    (tmp_path / "images" / "metadata.csv").write_text("\n".join(["file_name,question,answer", *lines]))
    data = load(tmp_path)
    assert [(e.question, e.answers) for e in data.examples()] == [(f"what is {n}", ("dog",)) for n in PHOTOS]


@pytest.mark.parametrize(("said", "score"), [("Yes.", 1), ("the YES", 1), ("no", 1), ("maybe", 0)])
def test_any_answer_counts_but_for_case_articles_and_punctuation(
    tmp_path: Path, said: str, score: float
) -> None:
    data = load(tmp_path, table=write(tmp_path, ".jsonl"))
    assert scorer(data.metric, data.references())(said, data.examples()[0].answers) == score


def test_a_table_of_captions(tmp_path: Path) -> None:
    data = load(tmp_path, table=write(tmp_path, ".jsonl"), metric="cider")
    assert data.metric == "cider"
    assert TableConfig(name="table", split="x", images_folder=tmp_path, metric="cider").task == "caption"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"question": "q", "answer": "a"}],
            r"row 1: lacks image \(or file_name\) \(has: question, answer\)",
        ),
        ([{"image": "a", "answer": "a"}], r"row 1: lacks question"),
        ([{"image": "a", "question": "q"}], r"row 1: lacks answer or answers"),
        ([{"image": "a", "question": "q", "answers": []}], r"row 1: lacks answer or answers"),
        ([{"image": "a", "question": "q", "answers": "x, y"}], "'answers' must be a JSON list, got 'x, y'"),
        (["a"], "row 1: expected an object, got str"),
        ([], "holds no questions"),
        (
            [ROWS[0] | {"question_id": 1}, ROWS[1] | {"question_id": 1}],
            "question ids in .* more than once: 1",
        ),
    ],
)
def test_malformed_tables(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, table=write(tmp_path, ".json", rows))


def test_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"no")
    with pytest.raises(UserError, match=r"t\.parquet is no Parquet file"):
        load(tmp_path, table="t.parquet")
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(UserError, match=r"must be \.csv, \.jsonl, \.json or \.parquet, not '\.xlsx'"):
        load(tmp_path, table="t.xlsx")
    with pytest.raises(UserError, match=r"holds none of metadata\.csv"):
        load(tmp_path)
    (tmp_path / "t.csv").write_bytes("image,question,answer\na,Grüße,b\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"t\.csv: is not UTF-8 text"):
        load(tmp_path, table="t.csv")
    (tmp_path / "t.csv").write_text(f"image,question,answer\na,{'b' * 200_000},c\n")
    with pytest.raises(UserError, match=r"t\.csv is no CSV file: field larger than field limit"):
        load(tmp_path, table="t.csv")
    (tmp_path / "t.csv").write_text("image,question,answer\na,b\n")
    with pytest.raises(UserError, match="has not as many fields as the header"):
        load(tmp_path, table="t.csv")
