"""Does the answer come from the objects, or from what is around them? Answered with the tokens of either alone.

Reich, Putze & Schultz, Measuring Faithful and Plausible Visual Grounding in VQA, 2023 (arXiv:2305.15015), who
remove detected objects; here tokens are removed, which is what pruning does.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

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
        questions, inside, outside = _split(shard, own, own.places[arm])
        if questions:
            yield Variation("objects only", arm, own, questions, inside)
            yield Variation("background only", arm, own, questions, outside)


def _split(
    shard: "Shard", seen: Seen, places: "Sequence[Tensor]"
) -> "tuple[list[int], tuple[Tensor, ...], tuple[Tensor, ...]]":
    """Questions whose kept places lie both on the objects and away from them, with either part of the places.

    Nobody can answer from no token at all. Places that questions share stay shared.
    """
    parts: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for image, kept in zip(shard.image_of, places, strict=True):
        objects = shard.object_patches[image]
        if objects is not None and (image, id(kept)) not in parts:
            near = with_rim(objects, seen.encoded.tokens[image].grids)
            parts[image, id(kept)] = (
                kept[kept.new_tensor(objects)[kept].bool()],
                kept[~kept.new_tensor(near)[kept].bool()],
            )
    found = {
        question: part
        for question, (image, kept) in enumerate(zip(shard.image_of, places, strict=True))
        if (part := parts.get((image, id(kept)))) is not None and all(map(len, part))
    }
    inside, outside = zip(*found.values(), strict=True) if found else ((), ())
    return list(found), inside, outside


def with_rim(objects: np.ndarray, grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """The places of ``objects`` [N] and their eight neighbours on each of the ``grids``, one after the other in [N].

    A neighbour can be covered up to its half, and tells: from the background with the rim the phantom answers 98 %
    right, without it 81 % (64 scenes).
    """
    grown = []
    for part, (rows, columns) in zip(
        np.split(objects, np.cumsum([rows * columns for rows, columns in grids])[:-1]), grids, strict=True
    ):
        wide = np.pad(part.reshape(rows, columns), 1)
        shifted = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        grown.append(np.any(shifted, axis=0).ravel())
    return np.concatenate(grown)


EXPERIMENT = Experiment(
    name="grounding",
    summary="clean images with only the kept tokens that lie on the objects, and with only those away from them",
    needs="object masks",
    variants=("objects only", "background only"),
    meets=_meets,
    unfit=not_places,
    vary=_vary,
)
