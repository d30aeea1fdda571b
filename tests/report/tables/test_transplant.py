"""Answers to experiments: seen by the tables that are about them, and by no other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_study import synthetic_records, write_study

from robust_atp.query import query
from robust_atp.report.analysis import Analysis, analyse
from robust_atp.report.facts import records_digest
from robust_atp.report.illustrations import illustrations
from robust_atp.report.tables.transplant import mean_transplant, transplant
from robust_atp.stats import clustered_difference
from robust_atp.sweep.results import open_results

CELL = ["backbone", "pruner", "intervention", "severity"]
QUESTION = ["image_id", "question_id"]


@pytest.fixture(scope="module")
def with_variants(records: pa.Table) -> pa.Table:
    """The records, and for each answer of a pruned arm to a corrupted image two more with scores of their own."""
    frame, rng = records.to_pandas(), np.random.default_rng(3)
    corrupted = frame[(frame.severity > 0) & (frame.pruner != "none")]
    more = [
        corrupted.assign(variant=name, score=rng.integers(0, 2, len(corrupted)) * 1.0, prediction=name)
        for name in ("clean places", "clean pixels")
    ]
    return pa.Table.from_pandas(pd.concat([frame, *more]), schema=records.schema, preserve_index=False)


def test_answers_to_experiments_change_no_other_table(with_variants: pa.Table, analysis: Analysis):
    found = analyse(with_variants).tables()
    for name, table in analysis.tables().items():
        if "transplant" not in name:
            # More rows are added up in another order: only the last bits may differ.
            pd.testing.assert_frame_equal(found[name], table, rtol=1e-12, atol=1e-12, obj=name)


def test_every_kind_of_records_has_both_views(with_variants: pa.Table, records: pa.Table, tmp_path: Path):
    folder = open_results(write_study(tmp_path / "study", with_variants))
    for source in (with_variants, with_variants.to_pandas(), folder):
        assert len(query(source, "FROM records")) == records.num_rows
        assert len(query(source, "FROM variants")) == with_variants.num_rows
    assert folder.records().columns.tolist() == records.schema.names
    assert len(folder.records()) == records.num_rows


def test_records_from_before_there_were_variants_are_own_answers(records: pa.Table):
    older = records.drop_columns(["variant", "first_token_kl"])
    found = query(older, "FROM records")
    assert len(found) == records.num_rows
    assert set(found.variant) == {"own"}
    assert found.first_token_kl.isna().all()
    both = pa.concat_tables([older, records], promote_options="default")
    assert len(query(both, "FROM records")) == 2 * records.num_rows


def test_the_digest_notices_a_changed_answer_to_an_experiment(with_variants: pa.Table):
    frame = with_variants.to_pandas()
    before = records_digest(frame)
    frame.loc[frame.index[-1], "prediction"] = "tampered"
    assert frame.variant.iloc[-1] != "own"
    assert records_digest(frame) != before


def test_effects_are_clustered_differences_of_the_four_answers(with_variants: pa.Table):
    frame = with_variants.to_pandas()
    table = transplant(with_variants).set_index([*CELL, "quantity"])
    cell = ("phantom", "atp", "fog", 3)
    rows = frame[(frame.backbone == "phantom") & (frame.pruner == "atp")]
    clean = rows[rows.intervention == "clean"].set_index(QUESTION).score
    answers = rows[(rows.intervention == "fog") & (rows.severity == 3)]
    own, places, pixels = (
        answers[answers.variant == name].set_index(QUESTION).score.reindex(clean.index)
        for name in ("own", "clean places", "clean pixels")
    )
    expected = {
        "total effect": (clean, own),
        "pixel effect": (clean, places),
        "selection effect": (clean, pixels),
        "selection effect on corrupted pixels": (places, own),
    }
    effects = table.xs(cell)
    assert set(effects.index) == set(expected)
    images = clean.index.get_level_values("image_id").to_numpy()
    for effect, (before, after) in expected.items():
        oracle = clustered_difference(before.to_numpy(), after.to_numpy(), images)
        row = effects.loc[effect]
        assert (row.value, row.lo, row.hi) == pytest.approx((oracle.value, oracle.lo, oracle.hi)), effect
        assert (row.n, row.images) == (200, 50)
    assert set(transplant(with_variants).pruner) == {"atp", "random"}


def test_the_mean_weighs_cells_by_their_answers_and_adds_up(with_variants: pa.Table):
    cells, means = transplant(with_variants), mean_transplant(with_variants)
    keys = ["backbone", "pruner", "quantity"]
    mean = means.set_index(keys)["value"]
    pd.testing.assert_series_equal(cells.groupby(keys)["value"].mean(), mean.sort_index())
    for arm in means[["backbone", "pruner"]].drop_duplicates().itertuples(index=False):
        effect = mean[tuple(arm)]
        parts = effect["pixel effect"] + effect["selection effect on corrupted pixels"]
        assert parts == pytest.approx(effect["total effect"])
    assert (means.p_holm >= means.p).all()


def test_without_the_experiment_there_are_no_effects_and_no_figure(analysis: Analysis):
    assert analysis.transplant.empty
    assert analysis.mean_transplant.empty
    assert "transplant" not in {drawn.kind for drawn in illustrations(analysis)}


def test_the_figure_has_every_pruned_arm(with_variants: pa.Table):
    (drawn,) = [shown for shown in illustrations(analyse(with_variants)) if shown.kind == "transplant"]
    assert "200" not in drawn.title
    names = [text.get_text() for panel in drawn.figure.axes for text in panel.get_yticklabels()]
    assert names == ["random 25 %", "atp 25 %"] * 2


def test_synthetic_records_are_own_answers():
    assert set(synthetic_records(images=2)["variant"].to_pylist()) == {"own"}
