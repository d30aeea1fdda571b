import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robust_atp.errors import UserError
from robust_atp.records import SCHEMA
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.plan import Plan
from robust_atp.sweep.results import open_results
from robust_atp.sweep.store import Store, publish
from robust_atp.sweep.study import Study


@pytest.fixture
def small_plan(small_study: Study) -> Plan:
    return plan_study(small_study)


@pytest.fixture
def store(tmp_path: Path, small_plan: Plan) -> Store:
    made = Store(tmp_path / "out")
    made.prepare(small_plan)
    return made


def empty() -> pa.Table:
    return SCHEMA.empty_table()


def test_the_plan_comes_back_as_it_was(store: Store, small_plan: Plan) -> None:
    assert store.units() == small_plan.units
    assert store.study() == small_plan.study


def test_the_file_is_the_record_of_completion(store: Store, small_plan: Plan) -> None:
    first, *_ = small_plan.units
    store.publish(first, empty(), seconds=1.0)
    assert store.done(small_plan.units) == {first.key}
    store.path(first.key).unlink()
    assert store.done(small_plan.units) == set()


def test_a_half_written_file_is_not_taken_for_a_unit(store: Store, small_plan: Plan) -> None:
    key = small_plan.units[0].key
    leftover = store.path(key).with_name(f".{key}.parquet.host.1.2")
    leftover.parent.mkdir()
    leftover.write_bytes(b"PAR1")
    assert store.done(small_plan.units) == set()
    store.prepare(small_plan)
    assert leftover.exists()  # its writer may still be at work
    os.utime(leftover, (time.time() - 7200,) * 2)
    store.prepare(small_plan)
    assert not leftover.exists()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    publish(path, b"old")
    with pytest.raises(TypeError):
        publish(path, "text is no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_footer_says_where_records_come_from(store: Store, small_plan: Plan) -> None:
    unit = small_plan.units[0]
    store.publish(unit, empty(), seconds=1.0)
    footer = json.loads(pq.read_schema(store.path(unit.key)).metadata[b"robust-atp"])
    assert footer["unit"]["images"] == list(unit.images)
    assert set(footer) == {"unit", "versions", "host", "seconds", "finished"}


def test_another_study_is_refused_with_what_differs(store: Store, study_with: Callable[..., Study]) -> None:
    with pytest.raises(UserError, match=r"holds another study; .*\n  seed: 0 -> 1\n  severity\[1\]: 5 -> 4"):
        store.prepare(plan_study(study_with("seed=1", "grid.severity=[1, 4]")))


def test_the_same_study_elsewhere_is_the_same(store: Store, small_plan: Plan) -> None:
    store.prepare(small_plan)
    assert store.units() == small_plan.units


def test_a_folder_that_cannot_be_written(tmp_path: Path, small_plan: Plan) -> None:
    # Permissions do not stop root, so a file stands where the folder should be made.
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"output folder .*file/out cannot be written: Not a directory"):
        Store(tmp_path / "file" / "out").prepare(small_plan)


def test_records_that_cannot_be_written(store: Store, small_plan: Plan) -> None:
    unit = small_plan.units[0]
    store.path(unit.key).parent.touch()
    with pytest.raises(UserError, match=f"records cannot be written: .*{unit.key}"):
        store.publish(unit, empty(), seconds=1.0)


def test_a_failure_is_on_record_until_the_unit_succeeds(store: Store, small_plan: Plan) -> None:
    unit = small_plan.units[0]
    store.record_failure(unit, "image file is missing: x.png", "Traceback …")
    assert open_results(store.folder).status().failures == {str(unit): "image file is missing: x.png"}
    store.publish(unit, empty(), seconds=1.0)
    assert open_results(store.folder).status().failures == {}


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_a_study(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"robust-atp run STUDY\.yaml --out"):
        open_results(tmp_path / name)


def test_no_records_yet(store: Store) -> None:
    with pytest.raises(UserError, match="holds no records yet"):
        open_results(store.folder).records()
