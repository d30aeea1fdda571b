"""The words follow from the numbers."""

import pandas as pd
import pytest

from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, Population
from robust_atp.report.verdict import Verdict, verdicts


def verdict(value: float, lo: float, hi: float, retention_gap: float) -> Verdict:
    accuracy = pd.Series({"value": 0.7, "lo": 0.6, "hi": 0.8, "n": 200, "images": 50})
    excess = {"value": value, "lo": lo, "hi": hi, "detectable": 0.042, "retention_gap": retention_gap}
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


def test_sentence_names_the_interval_with_real_minus_signs():
    sentence = verdict(0.01, -0.02, 0.04, 0.02).sentence
    assert "is not detectably different from the unpruned model" in sentence
    assert "+1.0 points (95 % interval −2.0 to +4.0; detectable: 4.2 points)" in sentence


def test_every_arm_has_one_verdict_and_the_planted_ones_are_found(analysis: Analysis):
    found = {(v.population.backbone, v.arm.label): v.word for v in verdicts(analysis)}
    for backbone in ("phantom", "phantom-shortcut"):
        assert found[backbone, "unpruned"] == "reference"
        assert found[backbone, "random 25 %"] == "not detectably different"
        assert found[backbone, "atp 25 %"] == "more fragile"
