"""Which unit goes to a worker next, and which one is no longer given to any. Knows nothing of Ray."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from robust_atp.sweep.plan import Unit

# Units aboard a worker: the second hides the round trip to the driver, a third would hide nothing.
DEPTH = 2
# A unit that saw this many workers die, all but the first time alone, is what kills them.
MAX_DEATHS = 3


class Queue:
    """Units waiting for a worker.

    When a worker dies, any of the units aboard may have killed it. All become suspects: a suspect runs alone,
    after everything else, so that an innocent neighbour clears itself and only the culprit is given up.
    """

    def __init__(self, units: Iterable[Unit]) -> None:
        self._waiting = deque(units)
        self._suspects: deque[Unit] = deque()
        self._deaths: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._suspects)

    def next(self) -> Unit:
        """The unit that will be taken next; ``IndexError`` if none waits."""
        return (self._waiting or self._suspects)[0]

    def take(self, aboard: Sequence[Unit]) -> Unit | None:
        """A unit for a worker with ``aboard`` units, or None if it should get no more for now."""
        if any(self._deaths[unit.key] for unit in aboard):
            return None
        if self._waiting and len(aboard) < DEPTH:
            return self._waiting.popleft()
        if self._suspects and not aboard:
            return self._suspects.popleft()
        return None

    def give_back(self, units: Iterable[Unit]) -> None:
        """Put units back that were aboard a worker which was dismissed for no fault of theirs."""
        self._waiting.extendleft(reversed(list(units)))

    def bury(self, units: Iterable[Unit]) -> list[Unit]:
        """Count a death for the units that were aboard; returns those that are given up."""
        given_up = []
        for unit in units:
            self._deaths[unit.key] += 1
            if self._deaths[unit.key] < MAX_DEATHS:
                self._suspects.append(unit)
            else:
                given_up.append(unit)
        return given_up
