"""The page that tells people what an exported data set is."""

from collections.abc import Mapping
from typing import Any

import yaml

from robust_atp.data.export_format import CLEAN, QUESTIONS, REFERENCES
from robust_atp.data.hub import hub_split

_NAMES = {
    "vqav2": "VQAv2-C",
    "gqa": "GQA-C",
    "gqa-ood": "GQA-OOD-C",
    "coco-captions": "COCO-C",
    "pope": "POPE-C",
}

_PAGE = """
# {name}

The split `{split}` of the data set `{dataset}` ({images} images, {questions} questions) with its images corrupted: for
measuring how a vision-language model, or a way of pruning its visual tokens, holds out when the images go bad.
Questions, answers and annotations are those of the original, whose licence also holds for what is made of it here.

| subset | one row is |
|---|---|
| `questions` | a question with all its reference answers; `original` is the record of the official file as JSON |
| `clean` | an image as it was, with a mask of its annotated objects where there is one |
| `<corruption>-<severity>` | the same image corrupted; severity 1 to 5; `-seed<n>` for noise seeds other than 0 |
{references}
Images are PNG, so that every pixel is the one that was made; `image_hash` is the BLAKE2b-128 of its size and pixels.
They join the questions on `image_id`.

Corruptions are those of ImageNet-C as robust-atp {version} draws them: the random stream of an image is keyed by
`{dataset}/<image_id>`, the noise seed, the corruption and its version, and the severities of one image share it.

| corruption | version of the implementation |
|---|---|
{versions}

Made with {packages}.

```python
from datasets import load_dataset

questions = load_dataset("PATH", "questions", split="{hub_split}")
images = load_dataset("PATH", "{example}", split="{hub_split}")
```

In a study of robust-atp, `exported` takes the place of the original files; the records come out the same:

```yaml
data:
  - {{name: {dataset}, split: {split}, exported: PATH}}
```
"""


def data_card(about: Mapping[str, Any]) -> str:
    """Markdown with the header that names the subsets to the hub; ``about`` is the content of ``export.json``."""
    split = hub_split(about["split"])
    header = {
        "pretty_name": pretty_name(about["dataset"]),
        "task_categories": ["image-to-text" if about["task"] == "caption" else "visual-question-answering"],
        "tags": ["robustness", "image-corruptions", "robust-atp"],
        "configs": [
            {"config_name": name, "data_files": [{"split": split, "path": f"data/{name}/*.parquet"}]}
            for name in about["subsets"]
        ],
    }
    corrupted = [name for name in about["subsets"] if name not in (QUESTIONS, CLEAN, REFERENCES)]
    page = _PAGE.format(
        name=pretty_name(about["dataset"]),
        references="| `references` | all reference answers of the split: the score weighs words by them |\n"
        if REFERENCES in about["subsets"]
        else "",
        version=about["packages"]["robust-atp"],
        versions="\n".join(f"| {name} | {number} |" for name, number in about["versions"].items()),
        packages=", ".join(f"{name} {number}" for name, number in about["packages"].items()),
        hub_split=split,
        example=corrupted[0] if corrupted else CLEAN,
        **{key: about[key] for key in ("dataset", "split", "images", "questions")},
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{page}"


def pretty_name(dataset: str) -> str:
    """VQAv2-C for vqav2, and so on; any other data set gets -C after its name."""
    return _NAMES.get(dataset, f"{dataset}-C")
