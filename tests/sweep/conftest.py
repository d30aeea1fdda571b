"""The small study as fixtures, and one Ray cluster for all tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_study import write_study

from robust_atp.sweep.study import Study
from robust_atp.sweep.study_file import load_study


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a sweep; and two threads on a busy machine take ten times as long as one."""
    from robust_atp.sweep.evaluator import threads

    with threads(1):
        yield


@pytest.fixture
def study_file(tmp_path: Path, tiny_llava_folder: Path) -> Path:
    return write_study(tmp_path / "study", tiny_llava_folder)


@pytest.fixture
def small_study(study_file: Path) -> Study:
    return load_study(study_file)


@pytest.fixture
def study_with(study_file: Path) -> Callable[..., Study]:
    """The small study with keys overridden: ``study_with("seed=1")``."""
    return lambda *settings: load_study(study_file, settings)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One local cluster of two logical CPUs for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # CI machines run near their limit
        from robust_atp.sweep.executors import Resources
        from robust_atp.sweep.executors.cluster import cluster, prepare_environment

        prepare_environment("local")
        with cluster(Resources(workers=2, address="local"), threads=1):
            yield
