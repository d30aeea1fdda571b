"""Rounds and spreads, on a clock that only moves when a task moves it."""

import time

import numpy as np
import pytest

from robust_atp.benchmark.timing import Spread, Task, clock_of, interleaved


class Hand:
    """A clock whose hand tasks push."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def __call__(self) -> float:
        return self.now

    def task(self, name: str, seconds: float) -> Task:
        def run() -> None:
            self.ran.append(name)
            self.now += seconds * len(self.ran)

        return run


def test_each_round_runs_every_task_once_and_the_first_is_not_counted() -> None:
    hand = Hand()
    tasks = {name: hand.task(name, 1.0) for name in "abc"}
    shown: list[str] = []

    def watched(order: list[str]) -> list[str]:
        shown.extend(order)
        return order

    seconds = interleaved(tasks, 4, hand, seed=1, watched=watched)
    assert shown == hand.ran
    rounds = [hand.ran[start : start + 3] for start in range(0, 15, 3)]
    assert all(sorted(names) == list("abc") for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1  # an order of its own
    for name in "abc":
        # The n-th task to run takes n seconds, so the seconds say when it ran.
        assert seconds[name].tolist() == [1 + 3 * turn + rounds[turn].index(name) for turn in range(1, 5)]


def test_the_order_is_the_seeds() -> None:
    orders = []
    for seed in (0, 0, 5):
        hand = Hand()
        interleaved({name: hand.task(name, 1.0) for name in "abcdef"}, 3, hand, seed=seed)
        orders.append(hand.ran)
    assert orders[0] == orders[1] != orders[2]


def test_a_spread_is_median_and_quartiles() -> None:
    spread = Spread.of(np.array([5.0, 1.0, 2.0, 4.0, 3.0]))
    assert (spread.low, spread.median, spread.high) == (2, 3, 4)
    assert spread.written(100) == "300.0 [200.0, 400.0]"
    assert spread.written(0.5, 2) == "1.50 [1.00, 2.00]"


def test_waiting_is_no_processor_time() -> None:
    clock = clock_of("cpu")
    start = clock()
    time.sleep(0.2)
    assert clock() - start == pytest.approx(0, abs=0.15)
