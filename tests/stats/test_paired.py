import json
import math
from pathlib import Path

import pytest
from scipy.stats import binomtest

from robust_atp.errors import UserError
from robust_atp.stats import mcnemar, newcombe, tango
from robust_atp.stats.paired import tango_z

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stats.json").read_text(encoding="utf-8"))
PUBLISHED = GOLDEN["published_checks"]
CAVO = (59, 6, 16, 80)  # Cavo et al. 2012, as tabulated by Fagerland, Lydersen and Laake

tables = pytest.mark.parametrize("table", GOLDEN["paired_tables"], ids=lambda table: table["name"])


def cells(table):
    return table["a"], table["b"], table["c"], table["d"]


def interval(estimate):
    return [estimate.lo, estimate.hi]


@tables
def test_golden(table):
    assert mcnemar(table["b"], table["c"]) == pytest.approx(table["mcnemar"]["midp"], rel=1e-9)
    for method, key in [(newcombe, "newcombe95"), (tango, "tango95")]:
        estimate = method(*cells(table))
        assert estimate.value == pytest.approx(table["diff"], abs=1e-12)
        assert interval(estimate) == pytest.approx(table[key], abs=1e-9)
        assert (estimate.n, estimate.note) == (table["n"], "")
        half_wald = (table["wald95"][1] - table["wald95"][0]) / 2
        assert estimate.se * 1.959964 == pytest.approx(half_wald, rel=1e-6)


def test_published_intervals():
    _, b, c, _ = CAVO
    assert mcnemar(b, c) == pytest.approx(PUBLISHED["cavo_2012"]["midp"], abs=1e-6)
    assert interval(newcombe(*CAVO)) == pytest.approx(PUBLISHED["cavo_2012"]["newcombe95"], abs=5e-5)
    assert interval(tango(*CAVO)) == pytest.approx(PUBLISHED["cavo_2012"]["tango95"], abs=5e-5)
    assert interval(newcombe(1, 0, 0, 1)) == pytest.approx(PUBLISHED["table_1_0_0_1_newcombe95"], abs=5e-5)
    assert interval(tango(0, 0, 3, 0)) == pytest.approx([-1, 0.1230], abs=5e-5)


@pytest.mark.parametrize(("b", "c"), [(8, 3), (1, 40), (120, 95), (0, 6)])
def test_mid_p_is_the_exact_test_less_half_the_observed_tables(b, c):
    observed = math.comb(b + c, b) / 2 ** (b + c)
    assert mcnemar(b, c) == pytest.approx(binomtest(b, b + c).pvalue - observed)


def test_mcnemar_without_evidence():
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == pytest.approx(1 - math.comb(6, 3) / 2**7)


@pytest.mark.parametrize("method", [newcombe, tango])
@pytest.mark.parametrize("table", [(59, 6, 16, 80), (0, 5, 0, 0), (10, 0, 4, 0), (0, 3, 2, 0), (1, 0, 0, 0)])
def test_swapping_arms_mirrors_the_interval(method, table):
    a, b, c, d = table
    estimate, swapped = method(a, b, c, d), method(a, c, b, d)
    assert swapped.value == -estimate.value
    assert interval(swapped) == pytest.approx([-estimate.hi, -estimate.lo], abs=1e-10)
    assert -1 <= estimate.lo <= estimate.value <= estimate.hi <= 1
    assert mcnemar(b, c) == mcnemar(c, b)


def test_tango_limits_solve_the_score_equation_and_zero_is_mcnemar():
    estimate = tango(59, 6, 16, 80, level=0.9)
    assert tango_z(6, 16, 161, estimate.lo) == pytest.approx(1.644854, abs=1e-6)
    assert tango_z(6, 16, 161, estimate.hi) == pytest.approx(-1.644854, abs=1e-6)
    assert tango_z(6, 16, 161, 0.0) == pytest.approx((6 - 16) / math.sqrt(22))


def test_the_two_intervals_agree_for_large_tables():
    table = (7810, 240, 140, 1810)
    assert interval(newcombe(*table)) == pytest.approx(interval(tango(*table)), abs=1e-4)


@pytest.mark.parametrize("method", [newcombe, tango])
def test_empty_table_is_undefined(method):
    estimate = method(0, 0, 0, 0)
    assert math.isnan(estimate.value)
    assert estimate.note == "no questions"


@pytest.mark.parametrize(
    ("method", "counts"), [(mcnemar, (-1, 2)), (newcombe, (1, 2, 0.5, 3)), (tango, (1, 2, math.nan, 3))]
)
def test_counts_are_checked(method, counts):
    with pytest.raises(UserError, match="must be a count"):
        method(*counts)
