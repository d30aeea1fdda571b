"""The Ray executor: the same records as inline, whatever dies on the way."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import write_study

import robust_atp
from robust_atp.errors import UserError
from robust_atp.records import MEASURED
from robust_atp.sweep.executors.queue import MAX_DEATHS, Queue
from robust_atp.sweep.outcome import Outcome
from robust_atp.sweep.plan import Intervention, Unit
from robust_atp.sweep.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def comparable(results: robust_atp.Results) -> pd.DataFrame:
    assert results.status().complete
    return results.records().drop(columns=list(MEASURED))


@pytest.fixture(scope="module")
def conformance_study(tmp_path_factory: pytest.TempPathFactory, tiny_llava_folder: Path) -> Path:
    return write_study(tmp_path_factory.mktemp("conformance") / "study", tiny_llava_folder)


@pytest.fixture(scope="module")
def inline_records(conformance_study: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("inline")
    return comparable(robust_atp.run(conformance_study, out, bar=False))


def test_from_the_command_line_on_a_cluster_of_its_own_without_a_home(
    conformance_study: Path, inline_records: pd.DataFrame, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "robust_atp", "run", str(conformance_study), "--out", str(tmp_path)]
    ran = subprocess.run(
        [*command, "--executor", "ray", "--workers", "1"],
        env=environment | {"HOME": "/proc/nowhere"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "next: robust-atp report" in ran.stdout
    assert "12 of 12 units, 0 failed" in ran.stderr
    pd.testing.assert_frame_equal(
        comparable(robust_atp.open_results(tmp_path)), inline_records, check_exact=True
    )


def test_two_workers_one_of_them_killed(
    conformance_study: Path, inline_records: pd.DataFrame, tmp_path: Path
) -> None:
    marker = conformance_study.with_name("lethal")
    marker.touch()
    results = robust_atp.run(conformance_study, tmp_path, executor="ray", workers=2, bar=False)
    assert not marker.exists()  # taken away by the worker that died
    pd.testing.assert_frame_equal(comparable(results), inline_records, check_exact=True)


def unit(number: int) -> Unit:
    return Unit(f"{number:02d}", "tiny", "vqav2", "val", (str(number),), Intervention("clean"))


def settle(
    tmp_path: Path, units: list[Unit], run: Callable[[Unit], Outcome], workers: int
) -> tuple[list[Outcome], Counter[str]]:
    """Run a pool whose actors do ``run``; returns outcomes and how often each unit was begun."""
    import ray

    from robust_atp.sweep.executors.ray import Pool

    log = tmp_path / "log"
    log.touch()

    class Actor:
        def ready(self, _: Unit) -> None:
            pass

        def run(self, unit: Unit) -> Outcome:
            with log.open("a") as file:
                file.write(f"{unit.key}\n")
            return run(unit)

    actor: Any = ray.remote(Actor).options(num_cpus=1, max_restarts=0, max_task_retries=0)
    pool = Pool(actor.remote, Queue(units), workers, Store(tmp_path))
    return list(pool.outcomes()), Counter(log.read_text().split())


def test_a_poison_unit_is_given_up_and_everything_else_is_done(tmp_path: Path) -> None:
    def run(unit: Unit) -> Outcome:
        import os
        import signal

        if unit.key == "03":
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(unit, rows=1)

    outcomes, begun = settle(tmp_path, [unit(n) for n in range(8)], run, workers=2)
    assert sorted(o.unit.key for o in outcomes) == [f"{n:02d}" for n in range(8)]
    [bad] = [outcome for outcome in outcomes if outcome.reason]
    assert bad.unit == unit(3)
    assert str(bad.reason).startswith(f"its worker process died {MAX_DEATHS} times")
    assert begun["03"] == MAX_DEATHS


def test_more_workers_than_fit_do_not_strand_units(tmp_path: Path) -> None:
    outcomes, begun = settle(tmp_path, [unit(n) for n in range(12)], lambda u: Outcome(u, rows=1), workers=5)
    assert len(outcomes) == 12
    assert set(begun.values()) == {1}


def test_a_spent_worker_is_replaced_and_its_other_unit_not_lost(tmp_path: Path) -> None:
    spent = Outcome(unit(0), reason="out of memory", spent=True)
    outcomes, _ = settle(
        tmp_path, [unit(0), unit(1), unit(2)], lambda u: spent if u.key == "00" else Outcome(u), workers=1
    )
    assert [(o.unit.key, o.reason) for o in outcomes] == [("00", "out of memory"), ("01", None), ("02", None)]


def test_an_error_outside_any_unit_stops_the_sweep(tmp_path: Path) -> None:
    def run(unit: Unit) -> Outcome:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        settle(tmp_path, [unit(0)], run, workers=1)


def test_what_stops_inline_stops_ray_with_the_same_words(conformance_study: Path, tmp_path: Path) -> None:
    (tmp_path / "no-clip").mkdir()
    study = robust_atp.load_study(conformance_study, [f"backbones[0].clip={tmp_path / 'no-clip'}"])
    said = []
    for executor in ("inline", "ray"):
        with pytest.raises(UserError, match="no-clip") as caught:
            robust_atp.run(study, tmp_path / executor, executor=executor, workers=1, bar=False)
        said.append(str(caught.value))
    assert said[0] == said[1]
