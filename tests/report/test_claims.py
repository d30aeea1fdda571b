"""Claims against records with a planted truth: what holds, what does not, what the study cannot tell."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.pruning import PRUNERS
from robust_atp.report.claims import LITERATURE, check_claims
from robust_atp.report.claims.check import FAILS, HOLDS, OPEN, UNMEASURED
from robust_atp.report.claims.measures import MEASURES
from robust_atp.report.claims.page import judged, unjudged


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return check_claims(synthetic_records(images=200))


def of(found: pd.DataFrame, measure: str, backbone: str = "phantom") -> pd.Series:
    rows = found[(found["measure"] == measure) & (found["backbone"] == backbone) & (found["pruner"] == "atp")]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_claim_names_a_measure_a_registered_method_and_a_threshold():
    for claim in LITERATURE:
        assert claim.measure in MEASURES
        assert claim.pruner in PRUNERS.names()
        assert claim.share is None or 0 < claim.share < 1


def test_operations_are_counted_without_an_interval(found):
    row = of(found, "flops saved")
    assert row["value"] == row["lo"] == row["hi"] == pytest.approx(0.75)
    assert (row["verdict"], row["note"]) == (HOLDS, "claimed at 60% of the tokens, measured at 25%")


def test_five_points_lost_are_not_less_than_one(found):
    row = of(found, "points lost")
    assert row["value"] == pytest.approx(0.05)
    assert row["verdict"] == FAILS
    # Clustered t on the questions of one backbone: se² = Σ (d_g - 4 D)² G/(G-1) / N².
    assert row["lo"] == pytest.approx(0.05 - 1.6525 * _clustered_error(), rel=1e-3)


def _clustered_error() -> float:
    frame = synthetic_records(images=200).to_pandas()
    frame = frame[(frame["backbone"] == "phantom") & (frame["intervention"] == "clean")]
    wide = frame.pivot(index=["image_id", "question_id"], columns="pruner", values="score")
    sums = (wide["none"] - wide["atp"]).groupby("image_id").sum()
    return float(np.sqrt(200 / 199 * ((sums - 4 * 0.05) ** 2).sum()) / 800)


def test_a_planted_excess_refutes_stability_and_no_gap_added_stays_open(found):
    assert of(found, "excess drop")["verdict"] == FAILS
    row = of(found, "shortcut gap added")
    assert row["value"] == pytest.approx(0, abs=1e-12)
    assert row["verdict"] == OPEN
    assert row["note"].startswith("detectable: ")


def test_a_gap_that_pruning_closes_is_seen():
    frame = synthetic_records(images=200).to_pandas()
    # On the shortcut backbone the pruned arm answers everything right that the background speaks against.
    closes = (
        (frame["backbone"] == "phantom-shortcut")
        & (frame["pruner"] == "atp")
        & frame["group"].str.contains("conflict")
    )
    row = of(
        check_claims(frame.assign(score=frame["score"].where(~closes, 1.0))),
        "shortcut gap added",
        "phantom-shortcut",
    )
    half, clean = Truth().half_gap["phantom-shortcut"], Truth().clean["atp"]
    # Aligned questions stay at 90 %, conflicting ones are all right: a gap of -10 points instead of +40.
    assert row["value"] == pytest.approx(abs(clean + half - 1) - 2 * half)
    assert row["verdict"] == HOLDS


def test_a_gap_the_other_way_is_a_gap():
    """A model without a gap, pruned so that it errs where the background is right, has not been cured of anything."""
    frame = synthetic_records(images=200).to_pandas()
    errs = (
        (frame["backbone"] == "phantom") & (frame["pruner"] == "atp") & frame["group"].str.contains("aligned")
    )
    row = of(check_claims(frame.assign(score=frame["score"].where(~errs, 0.0))), "shortcut gap added")
    assert row["value"] == pytest.approx(Truth().clean["atp"])
    assert row["verdict"] == FAILS


def test_wall_time_of_one_run_decides_nothing(found):
    row = of(found, "speed-up")
    assert row["value"] == pytest.approx(1.0)
    assert row["verdict"] == OPEN
    assert "no interval" in row["note"]


def test_retained_accuracy_is_a_ratio_of_joint_draws():
    table = MEASURES["accuracy retained"](synthetic_records(images=200))
    (row,) = table[(table["backbone"] == "phantom") & (table["pruner"] == "atp")].to_dict("records")
    truth = Truth()
    assert row["value"] == pytest.approx(truth.clean["atp"] / truth.clean["none"])
    # Thresholds are shared between arms: were the draws not, the interval would be about 4 / √800 wide.
    assert 0 < row["hi"] - row["lo"] < 0.06


def test_adaptive_budgets_are_set_against_their_ranker_at_the_same_mean():
    frame = synthetic_records(images=50).to_pandas()
    ranker = frame[frame["pruner"] == "random"].assign(pruner="cls-attention")
    adaptive = frame[frame["pruner"] == "atp"].assign(pruner="e-adaprune(tau=0.9)")
    table = MEASURES["points gained by adapting"](pd.concat([frame, ranker, adaptive]))
    assert table["value"].tolist() == pytest.approx([0.05, 0.05])
    far = ranker.assign(tokens_mean=100.0)
    assert MEASURES["points gained by adapting"](pd.concat([frame, far, adaptive])).empty


def test_what_was_not_run_is_listed_and_not_judged(found):
    missing = found[found["verdict"] == UNMEASURED]
    assert {"AdaptInfer (arXiv 2508.06084)", "HeatViT (HPCA 2023)"} <= set(missing["system"])
    assert missing["value"].isna().all()
    assert len(unjudged(found)) == len(missing)
    shown = judged(found)
    assert {claim.system for claim in shown} == {"ATP (arXiv 2512.12701)"}
    assert [len(claim.findings) for claim in shown] == [2] * 5
    lost = next(claim for claim in shown if claim.wanted.startswith("points lost"))
    assert lost.wanted == "points lost below 1.0 points"
    assert lost.findings[0].estimate == "+5.0 points"
    assert lost.findings[0].counts == "n = 800 on 200 images"


def test_stability_for_want_of_anything_to_lose_is_remarked_on():
    """An arm at 20 % that stays at 20 % loses less than one at 75 %, and is right no more often for it."""
    truth = Truth(
        clean={"none": 0.75, "random": 0.65, "atp": 0.20},
        extra={("atp", "fog"): 0.0},
        half_gap={"phantom": 0.0},
    )
    frame = synthetic_records(truth, images=200).to_pandas()
    gentle = (frame["pruner"] == "atp") & (frame["severity"] > 0)
    # Half the drop of the others, of less than a third of the accuracy.
    thresholds = frame[gentle].groupby(["intervention", "severity"])["score"].rank(method="first", pct=True)
    lost = frame[gentle]["intervention"].map(truth.drop_per_severity) * frame[gentle]["severity"] / 2
    frame.loc[gentle, "score"] = (thresholds > 1 - (0.20 - lost)).astype(float)
    row = of(check_claims(frame), "excess drop")
    assert row["value"] < 0
    assert row["verdict"] == HOLDS
    assert row["note"].endswith("keeps no larger share of its clean accuracy")


def test_where_budgets_make_equal_tokens_the_nearest_keep_is_tested():
    frame = synthetic_records(Truth(half_gap={"phantom": 0.0}), images=40).to_pandas()
    generous = frame[frame["pruner"] == "atp"].assign(keep=0.6)
    row = of(check_claims(pd.concat([frame, generous])), "points lost")
    assert row["keep"] == 0.6
