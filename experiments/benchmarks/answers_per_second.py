"""Answers per second of a study against a plain loop over `model.generate`, in one run on the same questions.

    python experiments/benchmarks/answers_per_second.py --scenes 3

The plain loop is what one writes without a toolkit: for every intervention, question and arm it corrupts the image
afresh, runs the whole vision tower, prunes, and calls `generate` on the shortened prompt. Both sides run in this
process on one thread, and every answer is compared.
"""

import argparse
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
import torch

from robust_atp import load_study, run
from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.llava import Llava
from robust_atp.data import load_dataset
from robust_atp.interventions import intervene
from robust_atp.pruning import build_pruner
from robust_atp.tasks import SHORT_ANSWER

STUDY = "experiments/embedded.yaml"
KEYS = ["question_id", "intervention", "severity", "pruner", "keep"]


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--backbone", default="phantom")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(
        STUDY,
        [
            f"backbones=[{arguments.backbone}]",
            f"data=[{{name: phantom, split: test, images: {arguments.scenes}}}]",
            "grid.corruption=[gaussian_noise, fog]",
            "grid.severity=[3]",
            "grid.control=[]",
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        records = run(study, folder, bar=False).records()
        ours = time.perf_counter() - start
    start = time.perf_counter()
    plain = plain_loop(records, arguments.backbone, arguments.scenes)
    theirs = time.perf_counter() - start

    both = records[[*KEYS, "prediction"]].merge(
        plain, on=KEYS, suffixes=("", "_plain"), validate="one_to_one"
    )
    same = (both.prediction == both.prediction_plain).sum()
    print(f"answers            {len(records)} ({same} the same on both sides)")
    print(f"plain loop         {len(records) / theirs:8.1f} answers/s, model loading included")
    print(
        f"study, inline      {len(records) / ours:8.1f} answers/s, model loading and record writing included"
    )
    print(f"ratio              {theirs / ours:8.1f}")


def plain_loop(records: pd.DataFrame, backbone_id: str, scenes: int) -> pd.DataFrame:
    """Answer every row of the records the plain way."""
    backbone = load_backbone(BackboneSpec(backbone_id))
    assert isinstance(backbone, Llava)
    dataset = load_dataset({"name": "phantom", "split": "test", "images": scenes})
    rows = []
    for key, row in records.iterrows():
        del key
        image = intervene(
            dataset.image(row.image_id),
            row.intervention,
            severity=row.severity,
            noise_seed=row.noise_seed,
            study_seed=0,
            dataset="phantom",
            image_id=row.image_id,
        )
        prediction = generate(backbone, image, row)
        rows.append({**{name: row[name] for name in KEYS}, "prediction": prediction})
    return pd.DataFrame(rows)


@torch.inference_mode()
def generate(backbone: Llava, image: np.ndarray, row: pd.Series) -> str:
    """One answer by Hugging Face's own ``generate``."""
    words = backbone.language.words
    prompt = backbone.prompts[SHORT_ANSWER].replace("{question}", row.question)
    inputs = backbone.processor(images=image, text=prompt, return_tensors="pt")
    model: Any = backbone.model  # the annotated self of their generate excludes their own models
    options: dict[str, Any] = {
        "do_sample": False,
        "max_new_tokens": words.asking[SHORT_ANSWER].max_new_tokens,
    }
    if row.pruner == "none":
        output = model.generate(**inputs, **options)
        return backbone.processor.decode(
            output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        ).strip()

    method = build_pruner(row.pruner)
    tokens = backbone.encode([image], method.needs)
    text = backbone.embed_questions([row.question]) if method.needs_text else None
    key = f"{row.dataset}/{row.image_id}/{row.intervention}/{row.severity}/{row.noise_seed}"
    kept = method.prune(tokens, [0], text, row.keep, 0, [key])
    image_token = model.config.image_token_id
    ids = inputs["input_ids"][0]
    first = int((ids == image_token).nonzero()[0])
    thinned = torch.cat(
        [ids[:first], ids.new_full((len(kept.indices[0]),), image_token), ids[ids != image_token][first:]]
    )
    embeds = model.get_input_embeddings()(thinned[None])
    embeds[thinned[None] == image_token] = kept.features[0].to(embeds.dtype)
    output = model.generate(inputs_embeds=embeds, attention_mask=torch.ones_like(thinned)[None], **options)
    return backbone.processor.decode(output[0], skip_special_tokens=True).strip()


if __name__ == "__main__":
    main()
