"""The words follow from the numbers."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, Population
from robust_atp.report.verdict import Verdict, in_words, verdicts


def verdict(
    value: float,
    lo: float,
    hi: float,
    retention_gap: float,
    se: float = 0.015,
    p_holm: float = 1.0,
    p_primary: float = math.nan,
) -> Verdict:
    accuracy = pd.Series({"value": 0.7, "lo": 0.6, "hi": 0.8, "n": 200, "images": 50})
    excess = {
        "value": value,
        "lo": lo,
        "hi": hi,
        "se": se,
        "images": 50,
        "detectable": 0.042,
        "retention_gap": retention_gap,
        "p_holm": p_holm,
        "p_primary": p_primary,
        "alpha": 0.05,
    }
    where = Population("phantom", "phantom", "test")
    return Verdict(where, Arm("atp", 0.25), 49.0, accuracy, accuracy, pd.Series(excess))


@pytest.mark.parametrize(
    ("interval", "word", "remark"),
    [
        ((0.05, 0.01, 0.09, 0.08), "more fragile", ""),
        ((-0.05, -0.09, -0.01, -0.02), "more robust", ""),
        ((0.01, -0.02, 0.04, 0.02), "not detectably different", "detectable: 4.2 points"),
        ((-0.05, -0.09, -0.01, 0.03), "more robust", "had less to lose"),
        ((0.05, 0.01, 0.09, -0.01), "more fragile", "as large a share"),
    ],
)
def test_word_and_remark(interval: tuple[float, float, float, float], word: str, remark: str):
    found = verdict(*interval)
    assert found.word == word
    assert remark in found.remark
    assert bool(found.remark) == bool(remark)


def test_an_interval_beside_zero_that_does_not_survive_correction_says_so():
    assert verdict(0.05, 0.01, 0.09, 0.08, p_primary=0.049).remark == ""
    weak = verdict(0.05, 0.01, 0.09, 0.08, p_primary=0.1834)
    assert weak.word == "more fragile"
    assert weak.remark == "not after correction over all primary endpoints (p = 0.18)"
    both = verdict(0.05, 0.01, 0.09, -0.01, p_primary=0.2).remark
    assert "as large a share of its clean accuracy; not after correction" in both
    assert verdict(0.01, -0.02, 0.04, 0.02, p_primary=0.9).remark.startswith("detectable")


def test_words_name_what_is_decided_one_by_one_and_the_rest_together():
    fragile, open_one, other = (
        verdict(0.05, 0.01, 0.09, 0.08),
        verdict(0.01, -0.02, 0.04, 0.02),
        verdict(0, -1, 1, 0),
    )
    text = in_words([fragile, open_one, other])
    assert "atp 25 % is more fragile than the unpruned model: excess drop +5.0 points" in text
    assert "Not detectably different from the unpruned model: atp 25 %, atp 25 %" in text
    assert "would find an excess drop of 4.2 points four times out of five" in text


def test_words_use_real_minus_signs():
    text = in_words([verdict(0.01, -0.02, 0.04, 0.02)])
    assert "excess drop +1.0 points (95 % interval −2.0 to +4.0)" in text


def test_a_difference_without_spread_decides_nothing():
    flat = verdict(0.0, 0.0, 0.0, 0.0, se=0.0)
    assert (flat.word, flat.remark) == ("not tested", "every image gives the same difference")
    assert in_words([flat]) == ""


def test_controls_are_not_spoken_of(analysis: Analysis):
    assert in_words([v for v in verdicts(analysis) if v.arm.is_control]) == ""


def test_every_arm_has_one_verdict_and_the_planted_ones_are_found(analysis: Analysis):
    found = {(v.population.backbone, v.arm.label): v.word for v in verdicts(analysis)}
    for backbone in ("phantom", "phantom-shortcut"):
        assert found[backbone, "unpruned"] == "reference"
        assert found[backbone, "random 25 %"] == "not detectably different"
        assert found[backbone, "atp 25 %"] == "more fragile"


def test_many_undecided_arms_are_counted_not_listed():
    text = in_words([verdict(0.05, 0.01, 0.09, 0.08), *(verdict(0.01, -0.02, 0.04, 0.02) for _ in range(20))])
    assert "Not detectably different from the unpruned model: 20 of 21 arms" in text


def test_tokens_are_those_of_the_average_layer(analysis: Analysis):
    halved = analysis.overview.assign(tokens_mean=analysis.overview["tokens_mean"] / 2)
    assert {v.tokens for v in verdicts(replace(analysis, overview=halved)) if v.arm.pruner == "atp"} == {24.5}


def test_many_decided_arms_are_counted_before_and_after_correction():
    fragile = [verdict(0.05, 0.01, 0.09, 0.08) for _ in range(9)]
    robust = [verdict(-0.05, -0.09, -0.01, -0.08, p_holm=0.01), verdict(-0.05, -0.09, -0.01, 0.03)]
    text = in_words([*fragile, *robust])
    assert (
        "More fragile than the unpruned model under corruption, by the arm's own interval: 9 of 11 arms;"
        in text
    )
    assert "after correction for the number of arms: none. More robust" in text
    assert "2 of 11 arms (1 on this scale only, see the table)" in text
    assert text.endswith("after correction for the number of arms: atp 25 %.")
