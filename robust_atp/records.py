"""The record: one row per question × arm × intervention (× variant). Names and meanings live here and nowhere else."""

from collections.abc import Collection

import pyarrow as pa

# Wall-clock columns are the only ones that may differ between two runs of the same study.
MEASURED = ("seconds_encode", "seconds_prune", "seconds_answer")

_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("study", pa.string(), "name of the study"),
    ("unit", pa.string(), "key of the unit that produced the row"),
    ("backbone", pa.string(), "backbone as the study names it"),
    ("dataset", pa.string(), "data set as the study names it"),
    ("split", pa.string(), "split of the data set"),
    ("image_id", pa.string(), "image: the unit of independence"),
    ("question_id", pa.string(), "question, unique within data set and split"),
    ("question", pa.string(), "question text as asked, without prompt template"),
    (
        "prompt",
        pa.string(),
        "template that the question was put in, with <image> and {question}; one for captions may leave that out",
    ),
    ("question_type", pa.string(), "kind of question, in the data set's own terms"),
    ("answer_type", pa.string(), "yes/no, number or other"),
    ("group", pa.string(), "data-set specific keys as JSON, e.g. alignment of background and answer"),
    (
        "intervention",
        pa.string(),
        "clean, a corruption of the image (fog, …) or of the question (typos, …), or a control image (blank, …)",
    ),
    (
        "intervention_version",
        pa.int16(),
        "version of the implementation behind the intervention, raised with every change of its bits; 0 for clean",
    ),
    ("severity", pa.int8(), "1..5; 0 for clean and control images"),
    ("noise_seed", pa.int64(), "seed of the corruption's random stream"),
    ("image_hash", pa.string(), "blake2b of the pixels that were seen, by every arm alike"),
    ("pruner", pa.string(), "pruning method with its non-default options; none for the unpruned model"),
    (
        "keep",
        pa.float64(),
        "nominal budget in (0, 1]: share of visual tokens kept, or of what the study's grid.budget counts; "
        "a method whose budget follows the image need not look at it",
    ),
    (
        "prunes",
        pa.string(),
        "what visual tokens are: patches, or the queries of a resampler. Patches that are pruned before a resampler "
        "leave tokens_llm as it is",
    ),
    ("tokens_total", pa.int32(), "visual tokens before pruning, as many as the grid has places"),
    (
        "tokens_llm",
        pa.int32(),
        "visual tokens that entered the language model, with those that are never dropped (ends of lines of tiled "
        "images)",
    ),
    (
        "tokens_mean",
        pa.float64(),
        "visual tokens, merged ones included, averaged over the language model's layers",
    ),
    (
        "kept",
        pa.list_(pa.binary()),
        "kept tokens as bitmasks over the patch grid (numpy.packbits, raster order, an overview first), one per "
        "stage, the last one last: after each cut inside the vision tower or, where tokens were dropped behind it, on "
        "entry to the language model, then after each cut inside that. "
        "Where tokens are merged, the positions that survive: tokens made anew inside the model have none, "
        "so the bits can be fewer than the tokens",
    ),
    (
        "grid",
        pa.string(),
        "grid of the visual tokens as rows x columns, e.g. 14x14; 24x24+36x48 where an overview of the whole image "
        "(here 24 x 24) comes before the grid of its tiles, both over the whole image; queries stand in one row",
    ),
    (
        "grid_area",
        pa.string(),
        "what of the image the grid lies over: whole, centre (its central square) or padded (the square around it)",
    ),
    (
        "object_patches",
        pa.binary(),
        "patches with at least half their area inside an object mask, packed like kept; null without masks",
    ),
    (
        "variant",
        pa.string(),
        "own: the arm's ordinary answer, the only one that tables and probes see. Experiments add answers to other "
        "tokens: clean places (this image, the places kept of the clean one), clean pixels (the clean image, the "
        "places kept of this one), objects only and background only (kept tokens on the objects, and those neither on "
        "nor next to them)",
    ),
    (
        "position_policy",
        pa.string(),
        "original: kept tokens keep their position ids; compacted: they are renumbered",
    ),
    ("prediction", pa.string(), "answer text of the model"),
    ("answer", pa.string(), "reference answer (the most frequent one)"),
    ("answers", pa.list_(pa.string()), "all reference answers: ten in VQAv2, five captions in COCO"),
    (
        "metric",
        pa.string(),
        "rule of the score: vqa, gqa, pope, cider or exact; after a colon, a harness's deviation from the official one",
    ),
    ("score", pa.float64(), "official score of the prediction, in [0, 1]; for captions CIDEr-D / 10"),
    ("first_token_logprob", pa.float64(), "log-probability of the first answer token"),
    (
        "first_token_kl",
        pa.float64(),
        "Kullback-Leibler divergence of the first answer token's distribution from the unpruned model's to the same "
        "pixels and question, KL(unpruned || arm) over the vocabulary, in nats; null where that did not answer",
    ),
    (
        "yes_no_margin",
        pa.float64(),
        "log p(yes) - log p(no) at the first answer token; nan where the vocabulary lacks them",
    ),
    (
        "encode_flops",
        pa.float64(),
        "floating-point operations of the vision tower, up to the layer that is projected, and of the projector, "
        "for the row's image as its pruner has it encoded; nan where the backbone does not count them",
    ),
    (
        "prefill_flops",
        pa.float64(),
        "floating-point operations of the language model's prefill for this row, and of a resampler in front of it",
    ),
    (
        "seconds_encode",
        pa.float64(),
        "wall time of corruption and vision tower, shared out over the rows of the image; a pruner that cuts "
        "inside the tower has a run of its own through it",
    ),
    ("seconds_prune", pa.float64(), "wall time of pruning, shared out over the rows of the batch"),
    (
        "seconds_answer",
        pa.float64(),
        "wall time of the language model, shared out over the rows of the batch",
    ),
)

# By what a study file lists under `record`.
_OPTIONAL: tuple[tuple[str, pa.DataType, str], ...] = (
    (
        "scores",
        pa.list_(pa.float32()),
        "only with record: scores in the study file. What the method goes by to choose tokens, one number for each "
        "place of the grid, larger is more important; null where it has none (diversity, fixed places), cuts inside "
        "the vision tower or the language model, or prunes several views of an image apart",
    ),
)


def schema(record: Collection[str] = ()) -> pa.Schema:
    """Columns of the records of a study that asks for ``record`` beside what all studies have."""
    wanted = [column for column in _OPTIONAL if column[0] in record]
    fields = [
        pa.field(name, kind, metadata={"meaning": meaning}) for name, kind, meaning in (*_COLUMNS, *wanted)
    ]
    return pa.schema(fields)


SCHEMA = schema()


def columns() -> dict[str, str]:
    """Column names with their meanings, in file order, those that a study has to ask for last."""
    return {name: meaning for name, _, meaning in (*_COLUMNS, *_OPTIONAL)}
