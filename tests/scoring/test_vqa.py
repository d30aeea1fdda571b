import json
from pathlib import Path
from typing import Any

import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import METRICS, normalize_vqa, vqa_accuracy
from robust_atp.scoring.contractions import CONTRACTIONS

GOLDEN = Path(__file__).parents[1] / "golden"
ACCURACY = json.loads((GOLDEN / "vqa_accuracy.json").read_text(encoding="utf-8"))
NORMALISATION = json.loads((GOLDEN / "vqa_normalisation.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", ACCURACY, ids=lambda case: case["note"])
def test_accuracy_equals_the_official_program(case):
    assert vqa_accuracy(case["prediction"], case["answers"]) == pytest.approx(case["accuracy"], abs=1e-12)


@pytest.mark.parametrize("case", NORMALISATION, ids=lambda case: repr(case["input"]))
def test_normalisation_equals_the_official_program(case):
    assert normalize_vqa(case["input"]) == case["output"]


@pytest.mark.parametrize(
    ("matching", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_each_annotator_is_left_out_in_turn(matching, accuracy):
    answers = ["red"] * matching + ["blue"] * (10 - matching)
    assert vqa_accuracy("red", answers) == pytest.approx(accuracy)


def test_agreement_is_judged_after_stripping_and_before_normalising():
    assert vqa_accuracy("Yes", ["yes"] * 9 + ["yes\n"]) == 0
    assert vqa_accuracy("Yes", ["yes"] * 9 + ["Yes"]) == 1


def test_always_normalise_differs_only_where_annotators_agree():
    assert vqa_accuracy("Yes.", ["yes"] * 10) == 0
    assert vqa_accuracy("Yes.", ["yes"] * 10, protocol="always-normalise") == 1
    for case in ACCURACY:
        if len(set(case["answers"])) > 1:
            always = vqa_accuracy(case["prediction"], case["answers"], protocol="always-normalise")
            assert always == pytest.approx(case["accuracy"], abs=1e-12)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("couldntve", "couldntve"),
        ("somebody'd", "somebodyd"),
        ("ow's'at", "'ow's'at"),
        ("yalld've", "yalld've"),
        ("y'alld've", "y'all'd've"),
        ("twas", "'twas"),
        ("Im", "im"),
        ("mustntve", "mustntve"),
        ("None of the two", "0 of 2"),
        ("x -y-z", "x yz"),
        ("red ,white-blue", "red white blue"),
        ("what?!", "what"),
        ("." * 33 + "x", ".x"),
    ],
)
def test_quirks_of_the_official_tables(text, normalised):
    assert normalize_vqa(text) == normalised


def test_contraction_table_has_the_official_size():
    # 120 official entries, of which four have capital keys and two map to themselves.
    assert len(CONTRACTIONS) == 114


def test_accuracy_ignores_the_order_of_annotators():
    for case in ACCURACY:
        assert vqa_accuracy(case["prediction"], case["answers"][::-1]) == pytest.approx(case["accuracy"])


def test_registered_under_its_data_set_name():
    assert METRICS["vqa"]("red", ["red"] * 3 + ["blue"] * 7) == pytest.approx(0.9)


@pytest.mark.parametrize("answers", [[], "yes"])
def test_answers_must_be_a_list(answers):
    with pytest.raises(UserError, match="answers must be a sequence"):
        vqa_accuracy("yes", answers)


def test_unknown_protocol_names_the_nearest():
    misspelt: Any = "offical"
    with pytest.raises(UserError, match="did you mean 'official'"):
        vqa_accuracy("yes", ["yes"] * 10, protocol=misspelt)
