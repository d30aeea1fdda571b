"""Does the answer come from the objects, or from what is around them? Answered with the tokens of either alone.

Reich, Putze & Schultz, Measuring Faithful and Plausible Visual Grounding in VQA, 2023 (arXiv:2305.15015), who
remove detected objects; here tokens are removed, which is what pruning does.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from robust_atp.interventions import CLEAN
from robust_atp.sweep.experiments.experiment import Experiment, Seen, Variation, not_places

if TYPE_CHECKING:
    from torch import Tensor

    from robust_atp.sweep.rows import Shard


def _meets(name: str, severity: int) -> bool:
    return name == CLEAN and severity == 0


def _vary(
    shard: "Shard", own: Seen, see_clean: Callable[[], Seen], arms: Sequence[int]
) -> Iterator[Variation]:
    for arm in arms:
        questions, inside, outside = _split(shard, own.places[arm])
        if questions:
            yield Variation("objects only", arm, own, questions, inside)
            yield Variation("background only", arm, own, questions, outside)


def _split(
    shard: "Shard", places: "Sequence[Tensor]"
) -> "tuple[list[int], tuple[Tensor, ...], tuple[Tensor, ...]]":
    """Questions whose kept places lie both on the objects and beside them, with either part of the places.

    Nobody can answer from no token at all. Places that questions share stay shared.
    """
    parts: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for image, kept in zip(shard.image_of, places, strict=True):
        objects = shard.object_patches[image]
        if objects is not None and (image, id(kept)) not in parts:
            on_object = kept.new_tensor(objects)[kept].bool()
            parts[image, id(kept)] = kept[on_object], kept[~on_object]
    found = {
        question: part
        for question, (image, kept) in enumerate(zip(shard.image_of, places, strict=True))
        if (part := parts.get((image, id(kept)))) is not None and all(map(len, part))
    }
    inside, outside = zip(*found.values(), strict=True) if found else ((), ())
    return list(found), inside, outside


EXPERIMENT = Experiment(
    name="grounding",
    summary="clean images with only the kept tokens that lie on the objects, and with only those beside them",
    needs="object masks",
    variants=("objects only", "background only"),
    meets=_meets,
    unfit=not_places,
    vary=_vary,
)
