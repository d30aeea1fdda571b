import json
import math
from pathlib import Path

import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import METRICS, pope_answer, pope_scores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pope.json").read_text(encoding="utf-8"))
DEGENERATE = {case["name"]: case for case in GOLDEN["degenerate"]}


@pytest.mark.parametrize("case", GOLDEN["parse"], ids=lambda case: repr(case["answer"]))
def test_answers_are_read_as_the_official_program_reads_them(case):
    assert pope_answer(case["answer"]) == case["parsed"]


@pytest.mark.parametrize("case", GOLDEN["sets"], ids=lambda case: case["strategy"])
def test_scores_equal_the_official_program(case):
    assert [pope_answer(answer) for answer in case["answers"]] == case["parsed"]
    assert pope_scores(case["labels"], case["answers"]) == pytest.approx(case["expected"])


def test_all_yes_has_half_precision_and_full_recall():
    case = DEGENERATE["all yes"]
    assert pope_scores(case["labels"], case["answers"]) == pytest.approx(case["expected"])


def test_what_the_official_program_cannot_divide_is_nan():
    case = DEGENERATE["all no"]
    scores = pope_scores(case["labels"], case["answers"])
    assert math.isnan(scores["precision"])
    assert math.isnan(scores["f1"])
    assert (scores["accuracy"], scores["recall"], scores["yes_ratio"]) == (0.5, 0.0, 0.0)
    never_positive = pope_scores(["no", "no"], ["yes", "no"])
    assert math.isnan(never_positive["recall"])
    assert never_positive["precision"] == 0
    assert math.isnan(pope_scores(["yes", "no"], ["no", "yes"])["f1"])
    assert math.isnan(pope_scores([], [])["accuracy"])


@pytest.mark.parametrize(("prediction", "score"), [("Yes.", 1.0), ("There is not.", 0.0)])
def test_registered_metric_scores_one_answer(prediction, score):
    assert METRICS["pope"](prediction, ["yes"]) == score


def test_lengths_and_labels_are_checked():
    with pytest.raises(UserError, match="got 2 and 1"):
        pope_scores(["yes", "no"], ["yes"])
    with pytest.raises(UserError, match="got 'No'"):
        pope_scores(["No"], ["no"])
