"""Records with a planted truth: the oracle of every analysis test.

Scores are stratified, not drawn: within every backbone and alignment group the questions' thresholds are
an exact grid on (0, 1), shared by all arms and conditions, so an arm planted at accuracy p answers exactly the
fraction p of the questions (rounded to whole questions) and pairing is as tight as it can be.
"""

import json
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from robust_atp.data import load_dataset
from robust_atp.interventions import intervene, pixel_hash
from robust_atp.records import SCHEMA
from robust_atp.sweep.plan import Intervention, Plan, Unit
from robust_atp.sweep.store import Store
from robust_atp.sweep.study_file import study_from_record

GRID = 14
N = GRID * GRID
ARMS = (("none", 1.0), ("random", 0.25), ("atp", 0.25))


@dataclass(frozen=True)
class Truth:
    """What is planted. Accuracies and drops are shares, not points."""

    clean: dict[str, float] = field(default_factory=lambda: {"none": 0.75, "random": 0.65, "atp": 0.70})
    drop_per_severity: dict[str, float] = field(default_factory=lambda: {"fog": 0.04, "gaussian_noise": 0.05})
    # (arm, corruption) -> what the arm loses beyond the unpruned model, at every severity
    extra: dict[tuple[str, str], float] = field(default_factory=lambda: {("atp", "fog"): 0.10})
    blind: float = 0.30
    half_gap: dict[str, float] = field(default_factory=lambda: {"phantom": 0.0, "phantom-shortcut": 0.20})
    swapped_per_severity: int = 5  # tokens that ATP exchanges per severity step
    object_recall: float = 0.60  # of ATP, on clean images
    object_size: int = 30  # patches

    def accuracy(self, pruner: str, intervention: str, severity: int) -> float:
        if intervention in ("blank", "shuffled"):
            return self.blind
        lost = self.drop_per_severity.get(intervention, 0.0) * severity
        return self.clean[pruner] - lost - (self.extra.get((pruner, intervention), 0.0) if severity else 0.0)


def synthetic_records(
    truth: Truth | None = None,
    *,
    images: int = 50,
    questions: int = 4,
    severities: tuple[int, ...] = (1, 3, 5),
    seed: int = 0,
    real_pictures: bool = False,
) -> pa.Table:
    """One data set, two backbones, three arms, clean + the truth's corruptions + two control images.

    With ``real_pictures`` the hashes are those of the phantom's scenes; without, no picture has the hash.
    """
    truth = truth or Truth()
    rng = np.random.default_rng(seed)
    conditions = [("clean", 0), ("blank", 0), ("shuffled", 0)]
    conditions += list(product(truth.drop_per_severity, severities))
    hashes = _hashes(images, conditions) if real_pictures else _no_hashes(images, conditions)
    rows = []
    for backbone, half_gap in truth.half_gap.items():
        thresholds = _stratified(images, questions, rng)
        sets = _kept_sets(truth, images, conditions, rng)
        for (pruner, keep), (intervention, severity) in product(ARMS, conditions):
            accuracy = truth.accuracy(pruner, intervention, severity)
            for image, question in product(range(images), range(questions)):
                aligned = question % 2 == 0
                right = thresholds[image, question] < accuracy + (half_gap if aligned else -half_gap)
                kind, answer, other = _asked(image, question)
                prediction = answer if right else other
                kept, objects = sets[pruner, intervention, severity][image], sets["objects"][image]
                rows.append(
                    {
                        "study": "synthetic",
                        "unit": f"{backbone}-{intervention}-{severity}",
                        "backbone": backbone,
                        "dataset": "phantom",
                        "split": "test",
                        "image_id": str(image),
                        "question_id": str(1000 * image + question),
                        "question": "what <b>shape</b> is left?",
                        "question_type": kind,
                        "answer_type": "other" if kind == "shape" else "yes/no",
                        "group": json.dumps({"alignment": "aligned" if aligned else "conflict"}),
                        "intervention": intervention,
                        "intervention_version": 0 if intervention == "clean" else 1,
                        "severity": severity,
                        "noise_seed": 0,
                        "image_hash": hashes[image, intervention, severity],
                        "pruner": pruner,
                        "keep": keep,
                        "prunes": "patches",
                        "tokens_total": N,
                        "tokens_llm": int(kept.sum()),
                        "tokens_mean": float(kept.sum()),
                        "kept": [np.packbits(kept).tobytes()],
                        "grid": f"{GRID}x{GRID}",
                        "grid_area": "centre",
                        "object_patches": np.packbits(objects).tobytes(),
                        "variant": "own",
                        "position_policy": "original",
                        "prediction": prediction,
                        "answer": answer,
                        "answers": [answer],
                        "metric": "exact",
                        "score": float(right),
                        "first_token_logprob": -0.1,
                        "yes_no_margin": {"yes": 1.0, "no": -1.0}.get(prediction, np.nan),
                        "encode_flops": 1e6,
                        "prefill_flops": 1e6 * float(kept.sum()),
                        "seconds_encode": 0.001,
                        "seconds_prune": 0.0001,
                        "seconds_answer": 0.01,
                    }
                )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _asked(image: int, question: int) -> tuple[str, str, str]:
    """Question type, right answer and wrong answer: three of four shapes are stars, half of the others are there."""
    if question // 2 % 2:
        return ("existence", "yes", "no") if image % 2 else ("existence", "no", "yes")
    return ("shape", "star", "circle") if image % 4 else ("shape", "circle", "star")


def write_study(folder: Path, records: pa.Table, analysis: dict[str, Any] | None = None) -> Path:
    """Lay records out as a finished sweep does, whose study file has the section ``analysis``."""
    study = study_from_record(
        {
            "name": "synthetic",
            "backbones": records["backbone"].unique().to_pylist(),
            "data": [{"name": "phantom", "split": "test", "images": len(records["image_id"].unique())}],
            "grid": {
                "corruption": ["fog", "gaussian_noise"],
                "severity": [1, 3, 5],
                "pruner": ["atp"],
                "keep": 0.25,
            },
            "analysis": analysis,
        }
    )
    units = {
        key: _unit(key, records.filter(pa.compute.equal(records["unit"], key))) for key in _keys(records)
    }
    plan = Plan(
        study, (), (), tuple(unit for unit, _ in units.values()), records.num_rows, {"study": "synthetic"}
    )
    store = Store(folder)
    store.prepare(plan)
    for unit, rows in units.values():
        store.publish(unit, rows, seconds=1.0)
    return folder


def _keys(records: pa.Table) -> list[str]:
    return records["unit"].unique().to_pylist()


def _unit(key: str, rows: pa.Table) -> tuple[Unit, pa.Table]:
    first = rows.slice(0, 1).to_pylist()[0]
    intervention = Intervention(first["intervention"], first["severity"])
    images = tuple(rows["image_id"].unique().to_pylist())
    return Unit(key, first["backbone"], first["dataset"], first["split"], images, intervention), rows


def _hashes(images: int, conditions: list[tuple[str, int]]) -> dict[tuple[int, str, int], str]:
    scenes = load_dataset({"name": "phantom", "split": "test", "images": images})

    def pixels(image: int, name: str, severity: int) -> np.ndarray:
        return intervene(
            scenes.image(str(image)),
            name,
            severity=severity,
            noise_seed=0,
            study_seed=0,
            dataset="phantom",
            image_id=str(image),
        )

    return {key: pixel_hash(pixels(*key)) for key in _cells(images, conditions)}


def _cells(images: int, conditions: list[tuple[str, int]]) -> list[tuple[int, str, int]]:
    return [(image, *condition) for image, condition in product(range(images), conditions)]


def _no_hashes(images: int, conditions: list[tuple[str, int]]) -> dict[tuple[int, str, int], str]:
    return dict.fromkeys(_cells(images, conditions), "")


def _stratified(images: int, questions: int, rng: np.random.Generator) -> np.ndarray:
    """Thresholds [images, questions]: the even and the odd questions each fill (0, 1) evenly."""
    thresholds = np.empty((images, questions))
    for parity in (0, 1):
        count = images * len(range(parity, questions, 2))
        thresholds[:, parity::2] = rng.permutation((np.arange(count) + 0.5) / count).reshape(images, -1)
    return thresholds


def _kept_sets(
    truth: Truth, images: int, conditions: list[tuple[str, int]], rng: np.random.Generator
) -> dict[object, np.ndarray]:
    """Kept masks [images, N] per (pruner, intervention, severity), and the object patches.

    ATP exchanges exactly ``swapped_per_severity * severity`` background tokens for others; random draws anew.
    """
    kept_count = round(0.25 * N)
    order = rng.permuted(np.tile(np.arange(N), (images, 1)), axis=1)
    hits = round(truth.object_recall * truth.object_size)
    rows = np.arange(images)[:, None]

    def mask(indices: np.ndarray) -> np.ndarray:
        out = np.zeros((images, N), bool)
        out[rows, indices] = True
        return out

    sets: dict[object, np.ndarray] = {"objects": mask(order[:, : truth.object_size])}
    for intervention, severity in conditions:
        swapped = truth.swapped_per_severity * severity
        start = truth.object_size + swapped
        background = order[:, start : start + kept_count - hits]
        sets["none", intervention, severity] = np.ones((images, N), bool)
        sets["atp", intervention, severity] = mask(np.hstack([order[:, :hits], background]))
        fresh = rng.permuted(np.tile(np.arange(N), (images, 1)), axis=1)[:, :kept_count]
        sets["random", intervention, severity] = mask(fresh)
    return sets
