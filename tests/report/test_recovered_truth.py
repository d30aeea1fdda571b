"""What was planted in the records comes back out of the analysis."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import ARMS, Truth

from robust_atp.report.analysis import Analysis
from robust_atp.report.tables.accuracy import accuracy
from robust_atp.report.tables.excess import excess_drop, mean_excess_drop
from robust_atp.stats import clustered_difference


def test_accuracy_of_every_cell_is_the_planted_one(analysis: Analysis, truth: Truth):
    for row in analysis.accuracy.itertuples():
        planted = truth.accuracy(row.pruner, row.intervention, row.severity)
        assert row.value == pytest.approx(planted), row
        assert row.lo < planted < row.hi
        assert (row.n, row.images) == (200, 50)


def test_overview_averages_over_corruptions(analysis: Analysis, truth: Truth):
    rows = analysis.overview.set_index(["backbone", "pruner", "condition"])["value"]
    planted = np.mean([truth.accuracy("atp", name, s) for name in truth.drop_per_severity for s in (1, 3, 5)])
    assert rows["phantom", "atp", "corrupted"] == pytest.approx(planted)
    assert rows["phantom", "none", "clean"] == pytest.approx(truth.clean["none"])


def test_loss_is_against_the_unpruned_model_in_the_same_cell(analysis: Analysis, truth: Truth):
    rows = analysis.loss.set_index(["backbone", "pruner", "intervention", "severity"])["value"]
    assert rows["phantom", "random", "clean", 0] == pytest.approx(0.10)
    assert rows["phantom", "atp", "fog", 3] == pytest.approx(0.15)
    assert set(analysis.loss["pruner"]) == {"atp", "random"}


def test_excess_drop_is_planted_under_fog_for_atp_and_nowhere_else(analysis: Analysis):
    table = analysis.excess_drop
    planted = np.where((table["pruner"] == "atp") & (table["intervention"] == "fog"), 0.10, 0.0)
    assert table["value"].to_numpy() == pytest.approx(planted)
    assert ((table["p_adjusted"] < 0.05) == (planted > 0)).all()
    assert ((table["lo"] <= planted) & (planted <= table["hi"])).all()


def test_mean_excess_drop_averages_the_cells_of_an_arm(analysis: Analysis):
    rows = analysis.mean_excess_drop.set_index(["backbone", "pruner"])
    assert rows.loc[("phantom", "atp"), "value"] == pytest.approx(0.05)
    assert rows.loc[("phantom", "random"), "value"] == pytest.approx(0.0, abs=1e-12)
    assert rows["detectable"].between(0.03, 0.10).all()
    assert (rows["p_holm"] >= rows["p"]).all()


def test_excess_drop_of_a_cell_is_the_clustered_difference_of_the_item_level_drops(
    records, analysis: Analysis
):
    frame = records.to_pandas()
    frame = frame[(frame["backbone"] == "phantom") & frame["pruner"].isin(["none", "atp"])]
    wide = frame.pivot(
        index=["image_id", "question_id"], columns=["pruner", "intervention", "severity"], values="score"
    )
    drops = {arm: wide[arm, "clean", 0] - wide[arm, "fog", 3] for arm in ("none", "atp")}
    expected = clustered_difference(drops["atp"], drops["none"], wide.index.get_level_values("image_id"))
    rows = analysis.excess_drop.set_index(["backbone", "pruner", "intervention", "severity"])
    found = rows.xs(("phantom", "atp", "fog", 3))
    assert tuple(found[["value", "se", "lo", "hi"]]) == pytest.approx(
        (expected.value, expected.se, expected.lo, expected.hi)
    )


def test_retention_gap_is_the_multiplicative_twin(analysis: Analysis, truth: Truth):
    cells = [(name, s) for name in truth.drop_per_severity for s in (1, 3, 5)]

    def retained(arm: str) -> float:
        return float(np.mean([truth.accuracy(arm, *cell) / truth.clean[arm] for cell in cells]))

    rows = analysis.retention_gap.set_index(["backbone", "pruner"])["value"]
    assert rows["phantom", "random"] == pytest.approx(retained("none") - retained("random"))


def test_question_types_partition_the_questions(analysis: Analysis):
    by_type = analysis.accuracy_by_question_type
    assert set(by_type["question_type"]) == {"shape", "existence"}
    keys = ["backbone", "pruner", "intervention", "severity"]
    totals = by_type.groupby(keys)["n"].sum()
    pd.testing.assert_series_equal(totals, analysis.accuracy.groupby(keys)["n"].sum())


def test_order_of_rows_changes_no_number(records):
    shuffled = records.take(np.random.default_rng(0).permutation(records.num_rows))
    pd.testing.assert_frame_equal(accuracy(shuffled), accuracy(records), check_exact=True)
    pd.testing.assert_frame_equal(excess_drop(shuffled), excess_drop(records), check_exact=True)


def test_repeated_noise_seeds_are_not_new_questions(records):
    """Two identical seeds of every corruption: same estimates and errors, not errors smaller by √2."""
    frame = records.to_pandas()
    again = frame[frame["severity"] > 0].assign(noise_seed=1)
    once, twice = mean_excess_drop(frame), mean_excess_drop(pd.concat([frame, again]))
    pd.testing.assert_frame_equal(once, twice)


def test_a_question_without_its_clean_answer_does_not_count(records):
    frame = records.to_pandas()
    lost = (frame["intervention"] == "clean") & (frame["pruner"] == "atp") & (frame["image_id"] == "7")
    table = excess_drop(frame[~lost])
    assert set(table[table["pruner"] == "atp"]["n"]) == {196}
    assert set(table[table["pruner"] == "random"]["n"]) == {200}


def test_images_of_two_data_sets_are_never_drawn_together(records):
    """A second data set with the same image ids leaves the first one's interval as it was."""
    frame = records.to_pandas()
    both = accuracy(pd.concat([frame, frame.assign(dataset="other")]))
    mine = both[both["dataset"] == "phantom"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, accuracy(frame), check_exact=True)


def test_no_records_give_empty_tables_with_their_columns(records):
    for table in (accuracy, excess_drop, mean_excess_drop):
        empty = table(records.slice(0, 0))
        assert empty.empty
        assert list(empty.columns) == list(table(records).columns)


def test_cost_counts_tokens_of_each_arm(analysis: Analysis):
    tokens = analysis.cost.set_index(["backbone", "pruner"])["tokens_llm"]
    assert {pruner: tokens["phantom", pruner] for pruner, _ in ARMS} == {"none": 196, "random": 49, "atp": 49}


def test_simultaneous_bands_hold_the_pointwise_intervals(analysis: Analysis):
    table = analysis.excess_drop
    spread = table[table["se"] > 0]
    assert len(spread)
    assert (spread["sim_lo"] <= spread["lo"]).all()
    assert (spread["hi"] <= spread["sim_hi"]).all()
    assert (spread["sim_hi"] > spread["hi"]).any()
