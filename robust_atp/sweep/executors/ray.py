"""The Ray executor: a small driver loop feeding a pool of actors. The only file that imports Ray.

Ray's own retries are off. Whether a dead actor had finished its unit is unknown, and asking again is safe because a
unit's file is the record of its completion; so the loop retires the whole actor, puts everything that was aboard
back in the queue, and starts another one. Only ids travel: images, tensors and records stay in the workers.
"""

import faulthandler
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robust_atp.errors import UserError
from robust_atp.sweep.executors import Resources
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
    _set_defaults()
    import ray

    gpus = resources.gpus
    if gpus is None:
        gpus = float(any(backbone.device.startswith("cuda") for backbone in study.backbones))
    with _cluster(resources, study.threads):
        workers = resources.workers or _workers_that_fit(ray.cluster_resources(), study.threads, gpus)
        actor = ray.remote(_Actor).options(
            num_cpus=study.threads,
            num_gpus=gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": _environment(study.threads)},
        )
        yield from _Pool(lambda: actor.remote(study, store), Queue(units), workers, store).outcomes()


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


class _Pool:
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
                f"no worker became ready within {_START_TIMEOUT:.0f} s; the cluster has {ray.cluster_resources()}, "
                f"of which free: {ray.available_resources()}"
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
        actor, unit = self._aboard[ref]
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


@contextmanager
def _cluster(resources: Resources, threads: int) -> Iterator[None]:
    """Join or start a cluster and leave or stop it afterwards; one that this process has joined already is used."""
    import ray

    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    address = resources.address
    if address == "auto":
        # Not Ray's own "auto", which would take any cluster that happens to run on this machine.
        address = os.environ.get("RAY_ADDRESS", "local")
    if address == "local":
        # A token of our own needs no writable home; without one Ray writes it there, readable for all.
        if not _has_token():
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        cpus = max(_cpus(), (resources.workers or 1) * threads)
        ray.init(
            address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=100 * 2**20, **quiet
        )
    else:
        if _has_token():
            os.environ.setdefault(
                "RAY_AUTH_MODE", "token"
            )  # Ray turns it on by itself for local clusters only
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, TimeoutError) as error:
            raise UserError(f"no Ray cluster answers at {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _set_defaults() -> None:
    """Settings that Ray reads while it is imported."""
    # Otherwise a `uv run` anywhere up the process tree makes Ray rebuild the environment in every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or Path("~/.ray/auth_token").expanduser().is_file()


def _environment(threads: int) -> dict[str, str]:
    """A user's ``module:name`` must be found where the driver finds it; that needs a shared file system."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}


def _workers_that_fit(available: dict[str, float], threads: int, gpus: float) -> int:
    by_cpu = available.get("CPU", 0) // threads
    by_gpu = available.get("GPU", 0) // gpus if gpus else by_cpu
    return max(1, int(min(by_cpu, by_gpu)))


def _cpus() -> int:
    # Ray counts the machine's, of which a container or a Slurm job may own only some.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
