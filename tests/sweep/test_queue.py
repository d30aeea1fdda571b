import pytest

from robust_atp.sweep.executors.queue import MAX_DEATHS, Queue
from robust_atp.sweep.plan import Intervention, Unit


def unit(key: str) -> Unit:
    return Unit(key, "tiny", "vqav2", "val", ("1",), Intervention("clean"))


A, B, C = unit("a"), unit("b"), unit("c")


def test_a_worker_gets_two_units_and_no_third() -> None:
    queue = Queue([A, B, C])
    assert [queue.take([]), queue.take([A]), queue.take([A, B])] == [A, B, None]


def test_units_given_back_come_next_in_their_order() -> None:
    queue = Queue([C])
    queue.give_back([A, B])
    assert [queue.take([]) for _ in range(3)] == [A, B, C]


def test_what_was_aboard_a_death_waits_until_the_others_are_done() -> None:
    queue = Queue([B, C])
    assert queue.bury([A]) == []
    assert [queue.take([]) for _ in range(3)] == [B, C, A]


def test_a_suspect_runs_alone() -> None:
    queue = Queue([])
    queue.bury([A, B])
    assert queue.take([]) == A
    queue.give_back([C])
    assert queue.take([A]) is None
    assert Queue([B]).take([C]) == B


def test_only_the_unit_that_keeps_killing_is_given_up() -> None:
    queue = Queue([A, B])
    aboard = [queue.take([]), queue.take([A])]
    given_up = queue.bury(u for u in aboard if u)
    for _ in range(MAX_DEATHS - 1):
        suspect = queue.take([])
        if suspect == B:  # the innocent neighbour
            suspect = queue.take([])
        assert suspect == A
        given_up += queue.bury([A])
    assert given_up == [A]
    assert len(queue) == 0


def test_next_tells_and_takes_nothing() -> None:
    queue = Queue([A])
    assert (queue.next(), len(queue)) == (A, 1)
    queue.take([])
    with pytest.raises(IndexError):
        queue.next()
