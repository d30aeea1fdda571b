"""From what the arms answered on one shard to rows of the record."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from corruptions.registry import find
from robust_atp.backbones.seam import Answer, KeptTokens, VisionTokens
from robust_atp.data import Example
from robust_atp.interventions import pixel_hash, version
from robust_atp.pruning import label
from robust_atp.records import SCHEMA
from robust_atp.scoring import Score
from robust_atp.sweep.plan import Arm, Unit


@dataclass(frozen=True)
class Shard:
    """What is the same under every intervention: B images with Q questions about them."""

    images: tuple[np.ndarray, ...]  # B × [H, W, 3]
    object_patches: tuple[np.ndarray | None, ...]  # B × [N]
    examples: tuple[Example, ...]  # Q
    image_of: tuple[int, ...]  # Q rows of images
    text: Tensor | None  # [Q, J]

    def part(self, questions: Sequence[int]) -> "Shard":
        """The same images with some of the questions, without their embeddings."""
        examples = tuple(self.examples[question] for question in questions)
        image_of = tuple(self.image_of[question] for question in questions)
        return replace(self, examples=examples, image_of=image_of, text=None)


@dataclass(frozen=True)
class Encoded:
    """B images as they left the vision tower, and how long that took."""

    tokens: Sequence[VisionTokens]
    seconds: float


@dataclass(frozen=True)
class ArmResult:
    """What one arm kept and answered; seconds are per question. Arms that share a run of the tower share it."""

    arm: Arm
    encoded: Encoded
    kept: KeptTokens
    answers: Sequence[Answer]  # Q
    first_token_kl: Sequence[float | None] | None  # Q; None: nothing to compare with
    seconds_prune: float
    seconds_answer: float


def table(
    *,
    study: str,
    unit: Unit,
    metric: str,
    score: Score,
    prompt: str,
    shard: Shard,
    pixels: Sequence[np.ndarray],
    tokens: Sequence[VisionTokens],
    results: Sequence[ArmResult],
    seconds_corrupt: float,
    variant: str = "own",
) -> pa.Table:
    """Rows of a unit in the order arm, image, question. ``pixels`` are the images that arms saw, ``tokens`` theirs."""
    what = unit.intervention
    shared = {
        "study": study,
        "unit": unit.key,
        "backbone": unit.backbone,
        "dataset": unit.dataset,
        "split": unit.split,
        # A user's ``module:name`` is recorded under the name it was registered with.
        "intervention": find(what.name).name if what.severity else what.name,
        "intervention_version": version(what.name, what.severity),
        "severity": what.severity,
        "noise_seed": what.noise_seed,
        "variant": variant,
        "metric": metric,
        "prompt": prompt,
    }
    hashes = [pixel_hash(image) for image in pixels]
    objects = [None if patches is None else pack(patches) for patches in shard.object_patches]
    of_image = [
        {
            "image_hash": hashed,
            "object_patches": patches,
            "grid": "+".join(f"{height}x{width}" for height, width in seen.grids),
            "grid_area": seen.area,
            "prunes": seen.kind,
        }
        for hashed, patches, seen in zip(hashes, objects, tokens, strict=True)
    ]
    asked_about = Counter(shard.image_of)
    arms_of = Counter(id(result.encoded) for result in results)
    rows = []
    for result in results:
        encoded = result.encoded
        seconds = seconds_corrupt / len(results) + encoded.seconds / arms_of[id(encoded)]
        for row, image, example in zip(
            _arm_rows(result, shard, score), shard.image_of, shard.examples, strict=True
        ):
            encoding = {
                "encode_flops": encoded.tokens[image].encode_flops,
                "seconds_encode": seconds / len(pixels) / asked_about[image],
            }
            rows.append(shared | _question(example) | of_image[image] | row | encoding)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def pack(mask: np.ndarray) -> bytes:
    """Bits of a bool mask [N] in raster order, eight to a byte, the first in the highest bit."""
    return np.packbits(mask).tobytes()


def _question(example: Example) -> dict[str, Any]:
    return {
        "image_id": example.image_id,
        "question_id": example.question_id,
        "question": example.question,
        "question_type": example.question_type,
        "answer_type": example.answer_type,
        "group": json.dumps(dict(example.group), sort_keys=True),
        "answer": example.answer,
        "answers": list(example.answers),
    }


def _arm_rows(result: ArmResult, shard: Shard, score: Score) -> Iterator[dict[str, Any]]:
    kept = result.kept
    name = label(result.arm.pruner, result.arm.options)
    divergences = result.first_token_kl or [None] * len(result.answers)
    for question, (example, total, answer, divergence) in enumerate(
        zip(shard.examples, kept.totals, result.answers, divergences, strict=True)
    ):
        entered = len(kept.features[question]) if answer.tokens_llm is None else answer.tokens_llm
        yield {
            "pruner": name,
            "keep": result.arm.keep,
            "position_policy": kept.position_policy,
            "tokens_total": total,
            "tokens_llm": entered,
            "tokens_mean": float(np.mean(answer.tokens_per_layer or entered)),
            "kept": [pack(np.isin(np.arange(total), cut)) for cut in _cuts(kept, question, answer)],
            "prediction": answer.text,
            "score": score(answer.text, example.answers),
            "first_token_logprob": answer.first_token_logprob,
            "first_token_kl": divergence,
            "yes_no_margin": answer.yes_no_margin,
            "prefill_flops": answer.prefill_flops,
            "seconds_prune": result.seconds_prune,
            "seconds_answer": result.seconds_answer,
        }


def _cuts(kept: KeptTokens, question: int, answer: Answer) -> list[np.ndarray]:
    """Grid positions left after each cut, from the vision tower to the decoder; all of them if there was none."""
    inside = [np.array(cut, dtype=np.int64) for cut in answer.cuts]
    indices, thinned = kept.indices[question], kept.thinned[question] if kept.thinned else None
    if thinned is not None:
        return [stage.cpu().numpy() for stage in thinned.stages] + inside
    if len(indices) < kept.totals[question] or not inside:
        return [indices.cpu().numpy(), *inside]
    return inside
