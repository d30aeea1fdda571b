"""What an experiment is, and how one is found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robust_atp.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from robust_atp.pruning import Method
    from robust_atp.sweep.rows import Encoded, Shard


@dataclass(frozen=True)
class Seen:
    """One condition of a shard: its B images, and for each arm the places that it keeps for each of Q questions.

    Questions about one image that keep the same places hold the same tensor object.
    """

    pixels: Sequence[np.ndarray]  # B × [H, W, 3]
    encoded: "Encoded"
    places: "Sequence[Sequence[Tensor]]"  # arms × Q × [K], ascending


@dataclass(frozen=True)
class Variation:
    """An arm, by its number, answers some ``questions`` of the shard from given ``places`` of what was ``seen``."""

    variant: str
    arm: int
    seen: Seen
    questions: Sequence[int]
    places: "Sequence[Tensor]"  # as many as questions


@dataclass(frozen=True)
class Experiment:
    """Further answers of the arms that can be given any places to keep.

    ``needs`` says what images or the study must have; without it there are no variations.
    ``variants`` are the values of the record's column ``variant``. ``meets`` says, of the name and severity of an
    intervention, whether its units take part, ``unfit`` why a method does not (None: it does). ``vary`` yields the
    variations of a unit from what its arms see, what they see of the same images clean, and the numbers of the
    arms that take part.
    """

    name: str
    summary: str
    needs: str
    variants: tuple[str, ...]
    meets: Callable[[str, int], bool]
    unfit: "Callable[[Method], str | None]"
    vary: "Callable[[Shard, Seen, Callable[[], Seen], Sequence[int]], Iterator[Variation]]"


EXPERIMENTS: Registry[Experiment] = Registry(
    "experiment",
    {
        "transplant": "robust_atp.sweep.experiments.transplant:EXPERIMENT",
        "grounding": "robust_atp.sweep.experiments.grounding:EXPERIMENT",
    },
)


def not_places(method: "Method") -> str | None:
    """Why what a method keeps is more than a choice of places between vision tower and language model."""
    if method.tower is not None:
        return "cuts inside the vision tower"
    if method.inside is not None:
        return "cuts inside the language model"
    if method.merging is not None:
        return "merges tokens"
    return None
