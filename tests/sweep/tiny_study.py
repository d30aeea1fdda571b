"""A study small enough to run in seconds: a real, microscopic LLaVA on six PNGs in VQAv2's format."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

# A corruption in a user's own file, which kills its process once if a file `lethal` lies beside it.
# override, because every test writes a copy of its own and they share a process.
CORRUPTIONS = '''
import os, signal
from pathlib import Path
from corruptions import register

@register("darker", family="own", severity={"factor": [0.9, 0.8, 0.7, 0.6, 0.5]}, override=True)
def darker(image, *, factor):
    """Every pixel times a factor."""
    marker = Path(__file__).with_name("lethal")
    if marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return (image * factor).astype("uint8")
'''


def write_study(folder: Path, backbone: Path) -> Path:
    """Write images, official files, a corruption and a study file to ``folder``."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for image_id in range(1, 7):
        coarse = rng.integers(0, 256, (4, 4 + image_id % 3, 3), dtype=np.uint8)
        Image.fromarray(np.kron(coarse, np.ones((14, 14, 1), np.uint8))).save(
            folder / f"images/{image_id}.png"
        )
    asked = [(image_id, k) for image_id in range(1, 7) for k in range(1 + image_id % 2)]
    questions = [
        {"image_id": i, "question_id": i * 1000 + k, "question": ["what color is the star", "how many"][k]}
        for i, k in asked
    ]
    annotations = [
        {
            "image_id": i, "question_id": i * 1000 + k, "question_type": "what", "answer_type": "other",
            "multiple_choice_answer": "red", "answers": [{"answer": "red", "answer_id": n} for n in range(10)],
        }
        for i, k in asked
    ]  # fmt: skip
    (folder / "q.json").write_text(json.dumps({"questions": questions}))
    (folder / "a.json").write_text(json.dumps({"annotations": annotations}))
    (folder / "own.py").write_text(CORRUPTIONS)
    study = {
        "name": "small",
        "backbones": [{"id": str(backbone), "name": "tiny"}],
        "data": [
            {
                "name": "vqav2", "split": "val", "questions": "q.json", "annotations": "a.json",
                "images_folder": "images", "image_name": "{image_id}.png",
            }
        ],
        "grid": {
            "corruption": ["gaussian_noise", f"{folder / 'own.py'}:darker"],
            "severity": [1, 5],
            "control": ["blank"],
            "pruner": ["cls-attention", {"name": "atp", "alpha": 0.25}],
            "keep": [0.5, 0.25],
        },
        "shard_images": 4,
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path
