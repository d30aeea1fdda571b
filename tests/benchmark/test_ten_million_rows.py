"""The benchmark at ten thousand rows: both sides compute the same, on a study that the real commands accept."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from experiments.benchmarks import ten_million_rows
from experiments.benchmarks.large_study import write_large_study
from robust_atp.records import SCHEMA
from robust_atp.sweep.results import open_results

ROWS = 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("large")
    write_large_study(out, ROWS, shard_images=4)
    return out


def test_it_is_a_finished_study_of_the_real_schema(folder: Path):
    results = open_results(folder)
    assert results.status().complete
    for file in results.files()[:3]:
        assert pq.read_schema(file).remove_metadata() == SCHEMA.remove_metadata()
    counted = results.table(
        "SELECT count(*) AS n, count(DISTINCT (pruner, intervention, severity)) AS c FROM records"
    )
    assert counted["n"].item() >= ROWS
    assert counted["c"].item() == 390
    assert set(results.table("SELECT DISTINCT bit_count(kept[-1]::BIT) AS k FROM records")["k"]) == {144, 576}


def test_both_sides_agree_on_values_and_up_to_chance_on_errors(folder: Path):
    ours, theirs = ten_million_rows.headline(folder), ten_million_rows.plain(folder)
    for name, expected in theirs.items():
        both = ours[name].merge(expected, on=[k for k in expected if k not in ("value", "se", "lo", "hi")])
        assert len(both) == len(expected) == len(ours[name])
        pd.testing.assert_series_equal(both["value_x"], both["value_y"], check_names=False, atol=1e-12)
        # Five images are few for a t interval against a bootstrap one, but an error in kind would be far off.
        spread = both[both["se_y"] > 0.005]
        assert ((spread["se_x"] / spread["se_y"]).between(0.6, 1.6)).all()


def test_a_copy_of_the_records_answers_as_the_files_do(folder: Path):
    by_cell = "SELECT pruner, intervention, sum(score) AS score, count(*) AS n FROM records GROUP BY ALL ORDER BY ALL"
    whole = "SELECT * FROM records ORDER BY pruner, intervention, severity, question_id"
    results = open_results(folder)
    with results.at_hand() as near:
        for sql in (by_cell, whole):
            pd.testing.assert_frame_equal(near.table(sql), results.table(sql))
