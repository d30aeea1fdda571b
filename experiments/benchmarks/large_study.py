"""A finished study of any size without a model: plausible answers, in the layout and the schema of a real one.

One backbone answers VQAv2-shaped questions, five to an image, in five arms under the clean image, two controls and
fifteen corruptions at five severities: 390 rows per question. Pruning costs accuracy, corruption costs accuracy, and
the method ``atp`` loses a little extra under corruption. Written unit by unit, so memory does not grow with the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from robust_atp.interventions import version
from robust_atp.records import SCHEMA
from robust_atp.scoring import vqa_accuracy
from robust_atp.sweep.plan import Plan, Unit, interventions, plan
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study
from robust_atp.sweep.study_file import study_from_record

GRID = 24
TOKENS = GRID * GRID
KEEP = 0.25
ARMS = ("none", "random", "atp", "cls-attention", "fastv")

# What an arm scores on clean images, and what it loses per step of severity.
_CLEAN = {"none": 0.78, "random": 0.68, "atp": 0.75, "cls-attention": 0.74, "fastv": 0.73}
_PER_SEVERITY = {"none": 0.030, "random": 0.033, "atp": 0.036, "cls-attention": 0.031, "fastv": 0.030}
_BLIND = 0.40

# The question types of VQAv2, the most frequent first.
_TYPES = """
    how many | is the | what | what color is the | what is the | none of the above | is this | is this a | what
    is | are the | what kind of | is there a | what type of | is it | what are the | where is the | is there |
    does the | what color are the | are these | are there | which | is | what is the man | is the man | are |
    how | does this | what is on the | what does the | how many people are | what is in the | what is this | do
    | what are | are they | what time | what sport is | are there any | is he | what color is | why | where are
    the | what color | who is | what animal is | is this an | do you | how many people are in | what room is |
    has | is this person | can you | why is the | what is the color of the | what is the person | could | was |
    is that a | what number is | what is the name | what brand | is the person | is the woman | what is the
    woman
"""
_COLOURS = "red blue green white black brown yellow gray orange pink purple silver"
_THINGS = """
    cat dog bus train car truck bench table chair bed pizza cake sandwich phone clock bird horse cow sheep zebra giraffe
    umbrella kite ball bat glove racket bottle cup fork knife bowl banana apple carrot sofa plant laptop book
"""
_YES_NO = ("is", "are", "does", "do", "has", "can", "could", "was")


@dataclass(frozen=True)
class Questions:
    """Q questions in the order of their images, with what the answers are made from."""

    name: str
    split: str
    fingerprint: str
    revision: str
    table: pa.Table  # the columns of the records that are about the question, and image_id
    image: np.ndarray  # [Q], number of the image
    worth: np.ndarray  # [Q], score of the right answer
    wrong: np.ndarray  # [Q, 4] of str, answers that score nothing
    hard: np.ndarray  # [Q], the easiest question has 0

    def image_ids(self) -> list[str]:
        """Every image once, as a data set lists them."""
        return self.table["image_id"].unique().to_pylist()

    def examples(self) -> range:
        """As many as there are questions: the plan only counts them."""
        return range(len(self.table))


def write_large_study(folder: Path, rows: int, *, shard_images: int = 16, seed: int = 0) -> Plan:
    """Write a finished study of at least ``rows`` rows, the next multiple of 390."""
    study = _study(rows, shard_images)
    conditions = interventions(study)
    questions = _questions(-(-rows // (len(ARMS) * len(conditions))), np.random.default_rng(seed))
    versions = {what.name: version(what.name, what.severity) for what in conditions}
    planned = plan(study, [questions], {study.backbones[0].name: "synthetic"}, versions, {})  # type: ignore[list-item] # of a Dataset the plan asks no more than Questions has
    store = Store(folder)
    store.prepare(planned)
    number = {name: place for place, name in enumerate(questions.image_ids())}
    objects = _objects(len(number), np.random.default_rng(seed + 1))
    for unit in planned.units:
        images = range(number[unit.images[0]], number[unit.images[-1]] + 1)
        store.publish(unit, _unit_rows(study, unit, questions, objects, images, seed), seconds=1.0)
    return planned


def _study(rows: int, shard_images: int) -> Study:
    return study_from_record(
        {
            "name": f"synthetic-{rows}",
            "backbones": [{"id": "llava-hf/llava-1.5-7b-hf", "name": "made-up"}],
            "data": [
                {
                    "name": "vqav2",
                    "split": "val",
                    "questions": "none.json",
                    "annotations": "none.json",
                    "images_folder": "none",
                }
            ],
            "grid": {
                "corruption": ["common"],
                "control": ["blank", "shuffled"],
                "pruner": [{"name": name} for name in ARMS[2:]],
                "keep": [KEEP],
            },
            "shard_images": shard_images,
        }
    )


def _questions(count: int, rng: np.random.Generator) -> Questions:
    images = max(2, count // 5)
    image = np.sort(np.concatenate([np.arange(images), rng.integers(images, size=count - images)]))
    types = " ".join(_TYPES.split()).split(" | ")
    frequency = 1 / np.arange(3, 3 + len(types))
    kinds = [types[i] for i in rng.choice(len(types), size=count, p=frequency / frequency.sum())]
    asked = [_asked(kind, rng) for kind in kinds]
    pools = [_pool(kind) for kind in kinds]
    # The first words of a pool are the usual answers, so that there is a prior to fall back on.
    chosen = [
        [pool[i] for i in dict.fromkeys(np.minimum(rng.geometric(0.25, 12), len(pool)) - 1)] for pool in pools
    ]
    answers = [_ten_answers(words, int(rng.integers(2, 11))) for words in chosen]
    columns = {
        "image_id": [str(100_000 + 7 * i) for i in image],
        "question_id": [str((100_000 + 7 * i) * 1000 + k) for i, k in zip(image, _turns(image), strict=True)],
        "question": asked,
        "question_type": kinds,
        "answer_type": [_answer_type(kind) for kind in kinds],
        "group": ["{}"] * count,
        "answer": [words[0] for words in chosen],
        "answers": answers,
    }
    wrong = [[word for word in pool if word not in ten][:4] for pool, ten in zip(pools, answers, strict=True)]
    return Questions(
        name="vqav2",
        split="val",
        fingerprint=f"synthetic-{count}",
        revision="",
        table=pa.table(columns, schema=pa.schema([SCHEMA.field(name) for name in columns])),
        image=image,
        worth=np.array([vqa_accuracy(words[0], ten) for words, ten in zip(chosen, answers, strict=True)]),
        wrong=np.array([(words + ["unclear"] * 4)[:4] for words in wrong], dtype=object),
        hard=rng.permutation(count) / count,
    )


def _turns(image: np.ndarray) -> np.ndarray:
    """0, 1, 2, … within each run of equal numbers."""
    first = np.flatnonzero(np.diff(image, prepend=-1))
    return np.arange(len(image)) - np.repeat(first, np.diff(first, append=len(image)))


def _asked(kind: str, rng: np.random.Generator) -> str:
    colour, thing, other = rng.choice(_COLOURS.split()), *rng.choice(_THINGS.split(), 2)
    return f"{kind.capitalize()} {colour} {thing} beside the {other}?"


def _answer_type(kind: str) -> str:
    if kind.split()[0] in _YES_NO:
        return "yes/no"
    return "number" if kind.startswith("how many") else "other"


def _pool(kind: str) -> Sequence[str]:
    match _answer_type(kind):
        case "yes/no":
            return ("yes", "no")
        case "number":
            return ("2", "1", "3", "4", "0", *map(str, range(5, 25)))
        case _:
            colours, things = _COLOURS.split(), _THINGS.split()
            return colours if "color" in kind else [*things, *(f"{c} {t}" for c in colours for t in things)]


def _ten_answers(words: Sequence[str], agree: int) -> list[str]:
    others = words[1:] or words
    return [words[0]] * agree + [others[i % len(others)] for i in range(10 - agree)]


def _objects(images: int, rng: np.random.Generator) -> np.ndarray:
    """Rectangles of patches [images, N] that an object covers; one image in six has no mask, and so no patch."""
    low = rng.integers(0, GRID // 2, size=(images, 2, 1))
    high = low + rng.integers(3, GRID // 2, size=(images, 2, 1))
    inside = (np.arange(GRID) >= low) & (np.arange(GRID) < high)  # [images, 2, 24]
    covered = inside[:, 0, :, None] & inside[:, 1, None, :]
    covered[rng.random(images) < 1 / 6] = False
    return covered.reshape(images, TOKENS)


def _unit_rows(
    study: Study, unit: Unit, questions: Questions, objects: np.ndarray, images: range, seed: int
) -> pa.Table:
    """Rows of a unit in the order arm, question."""
    what = unit.intervention
    first, last = np.searchsorted(questions.image, [images.start, images.stop])
    asked = np.tile(np.arange(first, last), len(ARMS))
    arm = np.repeat(np.arange(len(ARMS)), last - first)
    rng = np.random.default_rng([seed, int(unit.key[:8], 16)])
    # What makes a question hard stays the same under all arms and conditions; the rest is chance.
    luck = questions.hard[asked] + rng.normal(0, 0.08, len(asked))
    right = luck < np.array([_accuracy(name, what.name, what.severity) for name in ARMS])[arm]
    answer = questions.table["answer"].to_numpy()[asked]
    other = questions.wrong[asked, np.minimum(rng.geometric(0.6, len(asked)) - 1, 3)]
    prediction = np.where(right, answer, other)
    confidence = np.log(np.clip(rng.beta(6, 2, len(asked)) - 0.1 * ~right, 0.01, 1))
    margin = np.where(prediction == "yes", 1.0, -1.0) * rng.exponential(2.0, len(asked)) + rng.normal(
        0, 0.5, len(asked)
    )
    tokens = np.where(arm == 0, TOKENS, round(KEEP * TOKENS))
    seconds = rng.gamma(20, 1 / 20, len(ARMS))[arm]
    masks, stages = _kept(questions.image[first:last] - images.start, len(images), what.severity, rng)
    shape = {"grid": f"{GRID}x{GRID}", "grid_area": "padded", "prunes": "patches", "tokens_total": TOKENS}
    where = {"backbone": unit.backbone, "dataset": unit.dataset, "split": unit.split, "unit": unit.key}
    condition = {"intervention": what.name, "severity": what.severity, "noise_seed": what.noise_seed}
    image = questions.image[asked]
    hashes = np.array([f"{i:08x}{unit.key[:24]}" for i in images], dtype=object)
    patches = [
        np.packbits(row).tobytes() if row.any() else None for row in objects[images.start : images.stop]
    ]
    values: dict[str, Any] = {
        **shape,
        **where,
        **condition,
        "variant": "own",
        "study": study.name,
        "prompt": "USER: <image>\n{question}\nAnswer the question using a single word or phrase. ASSISTANT:",
        "intervention_version": version(what.name, what.severity),
        "image_hash": hashes[image - images.start],
        "pruner": np.array(ARMS, dtype=object)[arm],
        "keep": np.where(arm == 0, 1.0, KEEP),
        "tokens_llm": tokens,
        "tokens_mean": tokens.astype(float),
        "kept": pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(stages)]).astype(np.int32), masks),
        "object_patches": pa.array(patches, pa.binary()).take(pa.array(image - images.start)),
        "position_policy": "original",
        "prediction": prediction,
        "metric": "vqa",
        "score": np.where(right, questions.worth[asked], 0.0),
        "first_token_logprob": confidence,
        "yes_no_margin": margin,
        "encode_flops": 3.6e11,
        "prefill_flops": 1.3e10 * (tokens + 60.0),
        "seconds_encode": 0.004 * seconds,
        "seconds_prune": 0.0002 * seconds * (arm > 0),
        "seconds_answer": (0.01 + 0.00003 * tokens) * seconds,
    }
    about = questions.table.take(pa.array(asked))
    columns = [
        about[field.name]
        if field.name in about.column_names
        else _column(values.get(field.name), field.type, len(asked))
        for field in SCHEMA
    ]
    return pa.table(columns, schema=SCHEMA)


def _accuracy(pruner: str, intervention: str, severity: int) -> float:
    if intervention in ("blank", "shuffled"):
        return _BLIND
    return _CLEAN[pruner] - _PER_SEVERITY[pruner] * severity


def _column(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if isinstance(value, np.ndarray | pa.Array):
        return pa.array(value, kind)
    return pa.repeat(pa.scalar(value, kind), rows)


def _kept(
    image: np.ndarray, images: int, severity: int, rng: np.random.Generator
) -> tuple[pa.Array, np.ndarray]:
    """Bitmasks of all rows one after the other, and how many each row has.

    ``atp`` looks at the question, the others at the image alone; ``fastv`` cuts inside the model, so its rows hold the
    whole grid first.
    """
    order = np.random.default_rng(images).random((images, TOKENS))  # the same under every intervention
    counts = np.repeat([2 if name == "fastv" else 1 for name in ARMS], len(image))
    packed = [masks for name in ARMS for masks in _arm_kept(name, order, image, severity, rng)]
    data = np.concatenate(packed)  # [masks, N / 8]
    offsets = np.arange(len(data) + 1, dtype=np.int32) * data.shape[1]
    return pa.Array.from_buffers(pa.binary(), len(data), [None, *map(pa.py_buffer, (offsets, data))]), counts


def _arm_kept(
    name: str, order: np.ndarray, image: np.ndarray, severity: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    whole = np.packbits(np.ones((len(image), TOKENS), bool), axis=1)
    if name == "none":
        yield whole
        return
    by_question = name == "atp"
    base = order[image] if by_question else order
    noise = rng.random(base.shape)
    rank = noise if name == "random" else base + (0.03 + 0.05 * severity) * noise
    kept = np.zeros(base.shape, bool)
    np.put_along_axis(
        kept, np.argpartition(rank, round(KEEP * TOKENS), axis=1)[:, : round(KEEP * TOKENS)], True, axis=1
    )
    packed = np.packbits(kept, axis=1)
    masks = packed if by_question else packed[image]
    # One row after the other: the whole grid, then what the cut inside the model leaves.
    yield np.stack([whole, masks], axis=1).reshape(-1, masks.shape[1]) if name == "fastv" else masks
