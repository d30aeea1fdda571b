import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from robust_atp.errors import UserError
from robust_atp.stats import (
    clustered_difference,
    clustered_noninferiority,
    minimum_detectable_effect,
    noninferiority,
    noninferiority_questions,
    paired_error,
    t_pvalue,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stats.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("table", GOLDEN["paired_tables"], ids=lambda table: table["name"])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
def test_golden(table, margin):
    expected = table["noninferiority"][str(margin)]
    outcome = noninferiority(table["a"], table["b"], table["c"], table["d"], margin)
    assert outcome.p == pytest.approx(expected["p_noninferior"], rel=1e-8)
    assert outcome.loss.hi == pytest.approx(expected["tango_upper_one_sided95"], abs=1e-9)
    assert outcome.is_shown == (outcome.loss.hi < margin)


def test_clustered_outcome_is_a_one_sided_t_test_when_images_have_one_question():
    rng = np.random.default_rng(0)
    full, pruned = rng.random((2, 60))
    outcome = clustered_noninferiority(full, pruned, np.arange(60), 0.2)
    assert outcome.p == pytest.approx(ttest_1samp(full - pruned, 0.2, alternative="less").pvalue)
    assert outcome.is_shown == (outcome.loss.hi < 0.2)
    assert t_pvalue(clustered_difference(full, pruned, np.arange(60))) == pytest.approx(
        ttest_1samp(full - pruned, 0).pvalue
    )


def test_undefined_tests_show_nothing():
    empty = noninferiority(0, 0, 0, 0, 0.01)
    unspread = clustered_noninferiority([0.3] * 3, [0.2] * 3, ["a", "b", "c"], 0.01)
    for outcome in (empty, unspread):
        assert math.isnan(outcome.p)
        assert not outcome.is_shown
        assert outcome.loss.note
    assert math.isnan(t_pvalue(unspread.loss))


@pytest.mark.parametrize("margin", [0, 1, math.nan])
def test_margin_is_a_proportion(margin):
    with pytest.raises(UserError, match="write one point as"):
        noninferiority(1, 1, 1, 1, margin)


@pytest.mark.parametrize("case", GOLDEN["mde_two_sided_80pct"]["values"].items(), ids=lambda case: case[0])
def test_minimum_detectable_effect_golden(case):
    name, expected = case
    n, discordance = name.removeprefix("n").split("_disc")
    assert minimum_detectable_effect(paired_error(float(discordance), int(n))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("discordance", "questions"), [(0.02, 1237), (0.05, 3092), (0.1, 6183), (0.2, 12366)]
)
def test_questions_for_a_one_point_margin(discordance, questions):
    assert noninferiority_questions(discordance, 0.01) == questions


def test_design_effect_multiplies_the_questions_needed():
    assert noninferiority_questions(0.1, 0.01, design_effect=2) == pytest.approx(2 * 6183, abs=2)
    with pytest.raises(UserError, match="discordance"):
        paired_error(10, 100)
