"""Timing tasks in turn, so that whatever else a machine does falls on all of them alike."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

Name = TypeVar("Name")
Task = Callable[[], object]
Clock = Callable[[], float]


def clock_of(device: str) -> Clock:
    """Seconds of processor time on a CPU, of time on the wall on an accelerator once it has finished its work.

    Other processes make a task on a shared CPU wait; they do not add to its processor time.
    """
    if torch.device(device).type == "cpu":
        return time.process_time

    def finished() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return finished


def interleaved(
    tasks: Mapping[Name, Task],
    rounds: int,
    clock: Clock,
    seed: int = 0,
    watched: Callable[[list[Name]], Iterable[Name]] = iter,
) -> dict[Name, np.ndarray]:
    """Seconds of every task in each of ``rounds`` rounds [rounds].

    A round runs every task once, in an order drawn anew; one round before the first is not counted. Tasks of the
    same round are to be compared with each other, round by round. ``watched`` is given the names in the order of
    running and may show how far it is.
    """
    random = np.random.default_rng(seed)
    names = list(tasks)
    order = [names[place] for _ in range(rounds + 1) for place in random.permutation(len(names))]
    seconds: dict[Name, list[float]] = {name: [] for name in names}
    for name in watched(order):
        start = clock()
        tasks[name]()
        seconds[name].append(clock() - start)
    return {name: np.array(measured[1:]) for name, measured in seconds.items()}


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of what was measured round by round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Spread":
        """Summarise [rounds]."""
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high))

    def written(self, scale: float = 1, digits: int = 1) -> str:
        """``median [low, high]``, all times ``scale``."""
        median, low, high = (f"{scale * value:.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{median} [{low}, {high}]"
