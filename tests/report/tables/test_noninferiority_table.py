"""The table of non-inferiority against the functions of one question at a time."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.declaration import Declaration
from robust_atp.report.tables.noninferiority import COLUMNS, noninferiority_table
from robust_atp.stats import clustered_difference, clustered_noninferiority, obuchowski

MARGIN = 0.12


@pytest.fixture(scope="module")
def table(records: pa.Table) -> pd.DataFrame:
    found = noninferiority_table(records, Declaration(margin=MARGIN, retained=0.9))
    return found[found["backbone"] == "phantom"].set_index(["pruner", "condition", "scale"])


@pytest.fixture(scope="module")
def scores(records: pa.Table) -> pd.DataFrame:
    """Questions × (pruner, intervention, severity)."""
    frame = records.to_pandas()
    frame = frame[(frame["backbone"] == "phantom") & ~frame["intervention"].isin(["blank", "shuffled"])]
    return frame.pivot(
        index=["image_id", "question_id"], columns=["pruner", "intervention", "severity"], values="score"
    )


def mean_scores(scores: pd.DataFrame, pruner: str, condition: str) -> pd.Series:
    cells = [
        cell
        for cell in scores.columns
        if cell[0] == pruner and (cell[1] == "clean") == (condition == "clean")
    ]
    return pd.Series(scores[cells].to_numpy().mean(axis=1), index=scores.index)


@pytest.mark.parametrize("condition", ["clean", "corrupted"])
def test_loss_is_the_clustered_test_on_questions(table, scores, condition: str):
    full, pruned = (mean_scores(scores, arm, condition) for arm in ("none", "atp"))
    images = scores.index.get_level_values("image_id")
    expected = clustered_noninferiority(full, pruned, images, MARGIN)
    row = table.xs(("atp", condition, "loss"))
    assert row["p_noninferior"] == pytest.approx(expected.p)
    assert row["p_inferior"] == pytest.approx(1 - expected.p)
    assert (row["lo_tost"], row["bound"]) == pytest.approx((expected.loss.lo, expected.loss.hi))
    two_sided = clustered_difference(full, pruned, images)
    assert (row["value"], row["lo"], row["hi"]) == pytest.approx(
        (two_sided.value, two_sided.lo, two_sided.hi)
    )
    assert (row["n"], row["images"]) == (two_sided.n, two_sided.clusters)


def test_retained_is_the_linear_contrast_against_zero(table, scores):
    full, pruned = (mean_scores(scores, arm, "clean") for arm in ("none", "random"))
    expected = clustered_difference(0.9 * full, pruned, scores.index.get_level_values("image_id"), level=0.90)
    row = table.xs(("random", "clean", "retained"))
    assert (row["value"], row["lo_tost"], row["bound"]) == pytest.approx(
        (expected.value, expected.lo, expected.hi)
    )
    assert row["margin"] == 0


def test_mcnemar_for_clusters_and_discordance_on_clean_images(table, scores):
    full, pruned = (mean_scores(scores, arm, "clean") for arm in ("none", "atp"))
    images = scores.index.get_level_values("image_id")
    b, c = ((one > other).groupby(images).sum() for one, other in ((full, pruned), (pruned, full)))
    row = table.xs(("atp", "clean", "loss"))
    assert row["p_obuchowski"] == pytest.approx(obuchowski(b, c).pvalue)
    assert row["discordance"] == pytest.approx((full != pruned).mean())


def test_worst_cell_needs_every_cell(table, scores):
    images = scores.index.get_level_values("image_id")
    cells = [(name, s) for name in ("fog", "gaussian_noise") for s in (1, 3, 5)]
    tests = {c: clustered_noninferiority(scores["none"][c], scores["atp"][c], images, MARGIN) for c in cells}
    row = table.xs(("atp", "worst cell", "loss"))
    assert row["p_noninferior"] == pytest.approx(max(test.p for test in tests.values()))
    worst = max(tests, key=lambda cell: tests[cell].loss.hi)
    assert (row["intervention"], row["severity"]) == worst
    assert row["bound"] == pytest.approx(tests[worst].loss.hi)


@pytest.mark.parametrize(
    ("margin", "verdict"), [(0.3, "non-inferior"), (0.01, "inferior"), (0.06, "inconclusive")]
)
def test_verdict_follows_from_margin_and_bounds(records, margin: float, verdict: str):
    found = noninferiority_table(records, Declaration(margin=margin))
    row = found.set_index(["backbone", "pruner", "condition", "scale"]).xs(
        ("phantom", "atp", "clean", "loss")
    )
    assert row["verdict"] == verdict
    assert (row["bound"] < margin) == (verdict == "non-inferior")
    assert (row["lo_tost"] > margin) == (verdict == "inferior")


def test_one_image_decides_nothing(truth: Truth):
    found = noninferiority_table(synthetic_records(truth, images=1))
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["p_noninferior"].isna().all()


def test_an_arm_that_answers_alike_is_not_tested(records):
    frame = records.to_pandas()
    twin = frame[frame["pruner"] == "none"].assign(pruner="twin", keep=0.5)
    found = noninferiority_table(pd.concat([frame, twin]))
    twins = found[(found["pruner"] == "twin") & (found["scale"] == "loss")]
    assert (twins["value"] == 0).all()
    assert twins["p_noninferior"].isna().all()
    assert (twins["discordance"] == 0).all()


def test_nothing_to_compare_gives_an_empty_table(records):
    empty = noninferiority_table(records.slice(0, 0))
    assert empty.empty
    assert tuple(empty.columns) == COLUMNS


def test_provable_margin_is_what_an_arm_without_loss_shows_four_times_out_of_five(table):
    """2000 studies without loss, their bounds 1.645 errors above the estimate: Monte-Carlo error 0.9 points."""
    row = table.xs(("atp", "clean", "loss"))
    estimates = np.random.default_rng(0).normal(0, row["se"], 2000)
    assert np.mean(estimates + 1.645 * row["se"] < row["provable_margin"]) == pytest.approx(0.80, abs=0.03)
