"""Joining a Ray cluster, or starting one on this machine. Owns every argument of ``ray.init``."""

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from robust_atp.errors import UserError
from robust_atp.sweep.executors import Resources


def prepare_environment(address: str) -> None:
    """Set what Ray reads while it is imported; so this comes before its first import."""
    # Otherwise a `uv run` anywhere up the process tree makes Ray rebuild the environment in every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A token of our own needs no writable home; without one Ray writes it there, readable for all.
    if _resolve(address) == "local" and not _has_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # By itself Ray turns authentication on for local clusters only. Too late once it is imported: then the
    # processes it starts would ask for a token that this one does not send.
    if _has_token() and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def cluster(resources: Resources, threads: int) -> Iterator[None]:
    """Join or start a cluster, and leave or stop it afterwards. One joined earlier is used as it is."""
    import ray

    if ray.is_initialized():
        yield
        return
    address = _resolve(resources.address)
    start = partial(ray.init, log_to_driver=False, logging_level=logging.WARNING)
    if address == "local":
        cpus = max(_cpus(), (resources.workers or 1) * threads)
        start(address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=100 * 2**20)
    else:
        try:
            start(address=address)
        except (ConnectionError, ValueError, TimeoutError) as error:
            raise UserError(f"no Ray cluster answers at {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _resolve(address: str) -> str:
    # Not Ray's own "auto", which would take any cluster that happens to run on this machine.
    return os.environ.get("RAY_ADDRESS", "local") if address == "auto" else address


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or Path("~/.ray/auth_token").expanduser().is_file()


def environment(threads: int) -> dict[str, str]:
    """A user's ``module:name`` must be found where the driver finds it; that needs a shared file system."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}


def workers_that_fit(available: dict[str, float], threads: int, gpus: float) -> int:
    """How many workers the resources of a cluster allow; at least one, for clusters that grow on demand."""
    by_cpu = available.get("CPU", 0) // threads
    by_gpu = available.get("GPU", 0) // gpus if gpus else by_cpu
    return max(1, int(min(by_cpu, by_gpu)))


def _cpus() -> int:
    # Ray counts the machine's, of which a container or a Slurm job may own only some.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
