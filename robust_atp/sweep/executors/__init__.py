"""Ways to work off units. All run the same evaluator and leave the same files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from robust_atp.registry import Registry
from robust_atp.sweep.outcome import Outcome
from robust_atp.sweep.plan import Unit
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study


@dataclass(frozen=True)
class Resources:
    """What a sweep may use; none of it changes a record.

    ``workers``: processes, by default as many as fit. ``address``: ``local`` starts a Ray cluster on this
    machine, ``auto`` joins the one that ``RAY_ADDRESS`` names and is ``local`` without one, anything else is
    an address. ``gpus``: share of a GPU per worker, by default one if a backbone runs on CUDA.
    """

    workers: int | None = None
    address: str = "auto"
    gpus: float | None = None


class Executor(Protocol):
    """Evaluates units in any order and says what became of each."""

    def __call__(
        self, study: Study, store: Store, units: Sequence[Unit], resources: Resources
    ) -> Iterator[Outcome]:
        """Yield one outcome per unit as it settles."""


EXECUTORS: Registry[Executor] = Registry(
    "executor",
    {
        "inline": "robust_atp.sweep.executors.inline:evaluate",
        "ray": "robust_atp.sweep.executors.ray:evaluate",
    },
)
