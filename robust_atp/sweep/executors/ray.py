"""The Ray executor: a small driver loop feeding a pool of actors. Only it and ``cluster`` import Ray.

Ray's own retries are off. Whether a dead actor had finished its unit is unknown, and asking again is safe
because a unit's file is the record of its completion; so the loop retires the whole actor, puts everything
that was aboard back in the queue, and starts another one. Only ids travel: images, tensors and records stay in
the workers.
"""

import faulthandler
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from robust_atp.errors import UserError
from robust_atp.sweep.executors import Resources
from robust_atp.sweep.executors.cluster import cluster, environment, prepare_environment, workers_that_fit
from robust_atp.sweep.executors.queue import MAX_DEATHS, Queue
from robust_atp.sweep.outcome import Outcome
from robust_atp.sweep.plan import Unit
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study

# Deaths in a row while loading the backbone, after which it is not the machine's bad luck.
_MAX_FAILED_STARTS = 3
# Seconds without any ready worker; a large model on a slow file system loads for many minutes.
_START_TIMEOUT = 1800.0


def evaluate(study: Study, store: Store, units: Sequence[Unit], resources: Resources) -> Iterator[Outcome]:
    """Evaluate units on a Ray cluster, as they come back."""
    prepare_environment(resources.address)
    store = Store(store.folder.resolve())  # actors may run in another folder
    import ray

    gpus = resources.gpus
    if gpus is None:
        gpus = float(
            any(
                backbone.device.startswith("cuda") or backbone.device_map is not None
                for backbone in study.backbones
            )
        )
    with cluster(resources, study.threads):
        workers = resources.workers or workers_that_fit(ray.cluster_resources(), study.threads, gpus)
        actor = ray.remote(_Actor).options(
            num_cpus=study.threads,
            num_gpus=gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": environment(study.threads)},
        )
        yield from Pool(lambda: actor.remote(study, store), Queue(units), workers, store).outcomes()


class _Actor:
    """A process of its own around an evaluator; it loads its backbone in ``ready``, not when it is made."""

    def __init__(self, study: Study, store: Store) -> None:
        name = f"worker-{socket.gethostname()}-{os.getpid()}.log"
        self._log = (store.folder / "logs" / name).open("a")  # open as long as the process, for faulthandler
        logging.basicConfig(
            stream=self._log, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
        )
        logging.captureWarnings(True)
        faulthandler.enable(self._log)
        from robust_atp.sweep.evaluator import Evaluator  # here, because the driver needs no torch

        self._evaluator = Evaluator(study, store)

    def ready(self, unit: Unit) -> None:
        self._evaluator.warm_up(unit)

    def run(self, unit: Unit) -> Outcome:
        return self._evaluator.run(unit)


class Pool:
    """Actors and what is aboard each of them."""

    def __init__(self, start: Callable[[], Any], queue: Queue, workers: int, store: Store) -> None:
        self._start, self._queue, self._workers, self._store = start, queue, workers, store
        self._starting: dict[Any, Any] = {}  # ref of ready() -> actor
        self._ready: list[Any] = []
        self._aboard: dict[Any, tuple[Any, Unit]] = {}  # ref of run() -> actor, unit
        self._failed_starts = 0
        self._last_event = time.monotonic()

    def outcomes(self) -> Iterator[Outcome]:
        """Yield an outcome per unit until none is left."""
        import ray

        try:
            while self._queue or self._aboard:
                self._hire()
                self._feed()
                for ref in self._wait():
                    yield from self._settle(ref)
        finally:
            for actor in [*self._ready, *self._starting.values()]:
                ray.kill(actor)

    def _hire(self) -> None:
        """Start actors while there is work for them; they get it once they are ready."""
        busy = {actor for actor, _ in self._aboard.values()}
        while len(self._ready) + len(self._starting) < min(self._workers, len(busy) + len(self._queue)):
            actor = self._start()
            self._starting[actor.ready.remote(self._queue.next())] = actor

    def _feed(self) -> None:
        # Round by round, or the first actor would take two units where two actors could take one each.
        fed = True
        while fed:
            fed = False
            for actor in self._ready:
                unit = self._queue.take([unit for other, unit in self._aboard.values() if other == actor])
                if unit is not None:
                    self._aboard[actor.run.remote(unit)] = (actor, unit)
                    fed = True

    def _wait(self) -> list[Any]:
        import ray

        # Woken up now and then to let Ctrl-C through and to look at the clock.
        done, _ = ray.wait([*self._aboard, *self._starting], num_returns=1, timeout=5)
        if done or self._ready:
            self._last_event = time.monotonic()
        elif time.monotonic() - self._last_event > _START_TIMEOUT:
            raise UserError(
                f"no worker became ready within {_START_TIMEOUT:.0f} s; the cluster has "
                f"{ray.cluster_resources()}, of which free: {ray.available_resources()}"
            )
        return done

    def _settle(self, ref: Any) -> list[Outcome]:
        from ray import get
        from ray.exceptions import RayActorError, RayTaskError

        if ref in self._starting:
            self._admit(ref)
            return []
        if ref not in self._aboard:  # dropped earlier in this round, with its dead worker
            return []
        actor, _ = self._aboard[ref]
        try:
            outcome = get(ref)
        except RayActorError as death:
            return [self._given_up(unit, death) for unit in self._queue.bury(self._dismiss(actor))]
        except RayTaskError as error:
            # A unit's own errors come back as outcomes: this one concerns them all, e.g. a full disk.
            raise error.cause from None
        del self._aboard[ref]
        if outcome.spent:
            self._queue.give_back(self._dismiss(actor))
        return [outcome]

    def _admit(self, ref: Any) -> None:
        from ray import get
        from ray.exceptions import RayActorError, RayTaskError

        actor = self._starting.pop(ref)
        try:
            get(ref)
        except RayTaskError as error:
            raise error.cause from None
        except RayActorError as death:
            self._failed_starts += 1
            if self._failed_starts == _MAX_FAILED_STARTS:
                raise UserError(f"worker processes die while they load the backbone: {death}") from death
        else:
            self._failed_starts = 0
            self._ready.append(actor)

    def _dismiss(self, actor: Any) -> list[Unit]:
        """Kill an actor; returns the units that were aboard, of which none will be heard of again."""
        import ray

        ray.kill(actor)
        self._ready.remove(actor)
        refs = [ref for ref, (other, _) in self._aboard.items() if other == actor]
        return [self._aboard.pop(ref)[1] for ref in refs]

    def _given_up(self, unit: Unit, death: Exception) -> Outcome:
        reason = f"its worker process died {MAX_DEATHS} times, see {self._store.folder / 'logs'}"
        return Outcome(unit, reason=reason, details=str(death))
