"""One study with questions and captions: each data set is put to the one backbone in its own way."""

import json
from pathlib import Path

import pytest
import yaml

import robust_atp
from robust_atp.backbones.seam import Backbone
from robust_atp.data.coco_captions import INSTRUCTION
from robust_atp.errors import UserError
from robust_atp.sweep import worker
from robust_atp.sweep.study import BackboneConfig

ASKING = {"short answer": "USER: <image> {question} ASSISTANT:", "caption": "<image> the star is"}


def test_questions_and_captions_in_one_study(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = worker.load

    def counted(backbone: BackboneConfig) -> Backbone:
        loaded.append(backbone.name)
        return load(backbone)

    monkeypatch.setattr(worker, "load", counted)
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
    document["backbones"][0] |= {"prompt": ASKING, "max_new_tokens": 3}
    document["grid"] = {"pruner": [], "keep": [0.5]}
    study_file.write_text(yaml.safe_dump(document))
    results = robust_atp.run(study_file, tmp_path / "out", bar=False)
    assert results.status().complete, results.status().failures
    assert loaded == ["tiny"]
    rows = results.table("SELECT DISTINCT dataset, metric, prompt, question FROM records ORDER BY ALL")
    asked = {dataset: set(part["question"]) for dataset, part in rows.groupby("dataset")}
    assert asked == {"coco-captions": {INSTRUCTION}, "vqav2": {"what color is the star", "how many"}}
    assert dict(zip(rows["dataset"], rows["metric"], strict=True)) == {
        "coco-captions": "cider",
        "vqav2": "vqa",
    }
    assert dict(zip(rows["dataset"], rows["prompt"], strict=True)) == {
        "coco-captions": ASKING["caption"],
        "vqav2": ASKING["short answer"],
    }
    references = results.table("SELECT DISTINCT answers FROM records WHERE dataset = 'coco-captions'")
    assert {tuple(answers) for answers in references["answers"]} == {("star 1",), ("star 2",)}


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("'<image>a photo of'", r"line 5 +backbones\[0\]\.prompt +prompt must hold .*for captions alone"),
        ("{caption: a photo of}", r"prompt must hold <image> once .*got 'a photo of'"),
        ("{captions: <image>}", r"task 'captions' is not one of: caption, short answer   \(did you mean"),
    ],
)
def test_a_prompt_that_cannot_ask_is_refused_with_the_study(
    study_file: Path, prompt: str, message: str
) -> None:
    text = study_file.read_text()
    study_file.write_text(text.replace("  name: tiny\n", f"  name: tiny\n  prompt: {prompt}\n", 1))
    with pytest.raises(UserError, match=message):
        robust_atp.load_study(study_file)
