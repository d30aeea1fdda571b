"""One process at work on units: holds a worker, publishes records, turns exceptions into outcomes."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robust_atp.sweep.outcome import Outcome
from robust_atp.sweep.plan import Unit
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker

log = logging.getLogger(__name__)


class Evaluator:
    """Runs units one after the other; the same code in every executor.

    Keeps the worker of one backbone, since a plan goes through its backbones one by one.
    """

    def __init__(self, study: Study, store: Store) -> None:
        self._study = study
        self._store = store
        self._holds = ""
        self._worker: Worker | None = None

    def warm_up(self, unit: Unit) -> None:
        """Load the backbone of a unit. What goes wrong here goes wrong for all units and is not caught."""
        if self._worker is None or self._holds != unit.backbone:
            self._worker = None  # frees the memory of the previous backbone before the next one is loaded
            backbone = next(b for b in self._study.backbones if b.name == unit.backbone)
            with threads(self._study.threads):
                self._worker = Worker(self._study, backbone)
            self._holds = unit.backbone

    def run(self, unit: Unit) -> Outcome:
        """Evaluate and publish a unit. An exception in it becomes an outcome, for the others to go on."""
        self.warm_up(unit)
        assert self._worker is not None
        start = time.perf_counter()
        try:
            with threads(self._study.threads):
                records = self._worker.run(unit)
        except Exception as error:
            log.warning("failed: %s: %s", unit, error)
            spent = isinstance(error, torch.OutOfMemoryError)
            reason = str(error) or type(error).__name__
            return Outcome(unit, reason=reason, details=traceback.format_exc(), spent=spent)
        # Outside: a full disk is no fault of the unit and stops the sweep.
        self._store.publish(unit, records, time.perf_counter() - start)
        return Outcome(unit, rows=records.num_rows)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` CPU threads, and give the caller's setting back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
