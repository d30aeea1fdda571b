"""One study with questions and captions: each data set is put to the backbone in its own way."""

import json
from pathlib import Path

import yaml

import robust_atp
from robust_atp.data.coco_captions import INSTRUCTION


def test_questions_and_captions_in_one_study(study_file: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(study_file.read_text())
    images = [{"id": number} for number in (1, 2)]
    captions = [{"image_id": number, "caption": f"star {number}"} for number in (1, 2)]
    (study_file.parent / "c.json").write_text(json.dumps({"images": images, "annotations": captions}))
    document["data"][0]["limit"] = 2
    document["data"].append(
        {
            "name": "coco-captions", "split": "val", "captions": "c.json", "images_folder": "images",
            "image_name": "{image_id}.png",
        }
    )  # fmt: skip
    document["backbones"][0]["max_new_tokens"] = 3  # or the untrained backbone would talk for 64 tokens
    document["grid"] = {"pruner": [], "keep": [0.5]}
    study_file.write_text(yaml.safe_dump(document))
    results = robust_atp.run(study_file, tmp_path / "out", bar=False)
    assert results.status().complete, results.status().failures
    rows = results.table("SELECT DISTINCT dataset, metric, prompt, question FROM records ORDER BY ALL")
    asked = {dataset: set(part["question"]) for dataset, part in rows.groupby("dataset")}
    assert asked == {"coco-captions": {INSTRUCTION}, "vqav2": {"what color is the star", "how many"}}
    assert dict(zip(rows["dataset"], rows["metric"], strict=True)) == {
        "coco-captions": "cider",
        "vqav2": "vqa",
    }
    references = results.table("SELECT DISTINCT answers FROM records WHERE dataset = 'coco-captions'")
    assert {tuple(answers) for answers in references["answers"]} == {("star 1",), ("star 2",)}
