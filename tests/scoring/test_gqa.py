import copy
import math

import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import METRICS, gqa_ood_scores, gqa_scores


def question(answer, structural="query", group=None, entailed=(), balanced=True, **keys):
    return {
        "question": "what is it", "answer": answer, "isBalanced": balanced, "entailed": list(entailed),
        "types": {"structural": structural, "semantic": "obj", "detailed": "x"},
        "groups": {"global": group, "local": None},
        "semantic": [{"operation": "select", "argument": "dog (1)"}, {"operation": "query", "argument": "name"}],
        **keys,
    }  # fmt: skip


QUESTIONS = {
    "01": question("red", group="color", entailed=["01", "02", "03"]),
    "02": question("yes", "verify", balanced=False),
    "03": question("no", "verify", balanced=False),
    "04": question("red", group="color"),
    "05": question("blue", group="color"),
    "06": question("left", "choose"),
}
RIGHT = {name: record["answer"] for name, record in QUESTIONS.items()}


def said(**changes):
    answers = RIGHT | {name.removeprefix("q"): answer for name, answer in changes.items()}
    return [
        {"questionId": name, "prediction": answer} for name, answer in answers.items() if answer is not None
    ]


def flat(scores):
    return {name: value for name, value in scores.items() if not isinstance(value, dict)}


def test_records_of_gqa_ood(third_party_golden):
    golden = third_party_golden("gqa_ood")
    parts = {"all": list(golden["questions"]), "head": golden["head_ids"], "tail": golden["tail_ids"]}
    for name, ids in parts.items():
        scores = gqa_scores({key: golden["questions"][key] for key in ids}, golden["predictions"])
        for metric, value in golden["expected"][name].items():
            if not isinstance(value, dict):
                assert scores[metric] == pytest.approx(value, abs=1e-9)
                continue
            assert scores[metric].keys() == value.keys()
            for key, cell in value.items():
                assert scores[metric][key] == pytest.approx(cell)
    head, tail = (
        {key: golden["questions"][key] for key in golden[f"{part}_ids"]} for part in ("head", "tail")
    )
    ood = gqa_ood_scores(head, tail, golden["predictions"])
    assert ood["delta"] == pytest.approx(golden["expected"]["delta_percent"])
    assert ood["tail"] == pytest.approx(golden["expected"]["tail"]["accuracy"])


def test_all_right():
    scores = gqa_scores(QUESTIONS, said())
    assert {name: scores[name] for name in ("accuracy", "binary", "open", "consistency")} == dict.fromkeys(
        ("accuracy", "binary", "open", "consistency"), 100
    )
    assert scores["distribution"] == 0
    assert scores["accuracyPerStructuralType"] == {
        "choose": {"accuracy": 100, "count": 1},
        "query": {"accuracy": 100, "count": 3},
    }


def test_a_choose_question_is_binary_although_its_answer_is_a_word():
    scores = gqa_scores(QUESTIONS, said(q06="right"))
    assert (scores["binary"], scores["open"], scores["accuracy"]) == (0, 100, 75)


def test_only_balanced_questions_are_scored():
    assert gqa_scores(QUESTIONS, said(q02="no", q03="yes"))["accuracy"] == 100


def test_consistency_is_asked_of_right_answers_only():
    assert gqa_scores(QUESTIONS, said(q02="no"))["consistency"] == 50
    assert math.isnan(gqa_scores(QUESTIONS, said(q01="blue", q02="no"))["consistency"])


def test_consistency_needs_the_entailed_questions_and_their_answers():
    assert math.isnan(gqa_scores(QUESTIONS, said(q02=None))["consistency"])
    balanced = {name: record for name, record in QUESTIONS.items() if record["isBalanced"]}
    assert math.isnan(gqa_scores(balanced, said())["consistency"])


def test_distribution_by_hand():
    # color: red expected 2, observed 1; blue expected 1, observed 1; green is nowhere right and does not count.
    assert gqa_scores(QUESTIONS, said(q04="green"))["distribution"] == pytest.approx((1 / 2) * 3 / 3 / 100)


def test_choices():
    both = {"valid": ["red", "blue"], "plausible": ["red"]}
    choices = dict.fromkeys(QUESTIONS, both)
    scores = gqa_scores(QUESTIONS, said(q06="red"), choices)
    assert (scores["validity"], scores["plausibility"]) == (100, 75)
    assert math.isnan(gqa_scores(QUESTIONS, said())["validity"])
    with pytest.raises(UserError, match=r"1 balanced questions have no choices, e\.g\. 06"):
        gqa_scores(QUESTIONS, said(), {name: both for name in QUESTIONS if name != "06"})


def test_what_two_things_have_in_common_has_its_own_choices():
    questions = copy.deepcopy(QUESTIONS)
    questions["06"]["types"]["detailed"] = "twoCommon"
    choices = {name: {"valid": ["red"], "plausible": ["red"]} for name in questions}
    assert gqa_scores(questions, said(q05="blue", q06="shape"), choices)["validity"] == 75


def test_steps_leave_reading_out_aside():
    steps = [("select", "dog (1)"), ("relate", "cat,left of,s (2)"), ("exist", "?"), ("query", "name")]
    semantic = [{"operation": operation, "argument": argument} for operation, argument in steps]
    scores = gqa_scores({"1": question("yes", semantic=semantic)}, [{"questionId": 1, "prediction": "yes"}])
    assert scores["accuracyPerSteps"] == {"2": {"accuracy": 100, "count": 1}}
    assert scores["accuracyPerLength"] == {"3": {"accuracy": 100, "count": 1}}


def test_answers_are_compared_to_the_letter():
    assert gqa_scores(QUESTIONS, said(q06="Left"))["accuracy"] == 75
    assert gqa_scores(QUESTIONS, said(q06=""))["accuracy"] == 75


def test_nothing_to_average_is_nan():
    assert all(math.isnan(value) for value in flat(gqa_scores({}, [])).values())


def test_predictions_must_be_there_once():
    with pytest.raises(UserError, match=r"1 of 4 balanced questions have no prediction, e\.g\. 06"):
        gqa_scores(QUESTIONS, said(q06=None))
    with pytest.raises(UserError, match="question 06 has two predictions: 'left' and 'right'"):
        gqa_scores(QUESTIONS, [*said(), {"questionId": "06", "prediction": "right"}])
    gqa_scores(QUESTIONS, [*said(), *said(), {"questionId": "99", "prediction": "of no question"}])


@pytest.mark.parametrize(
    ("metric", "scores"),
    [("gqa", [1, 0, 0, 0]), ("gqa:llava", [1, 1, 1, 0]), ("gqa:lmms-eval", [1, 1, 1, 1])],
)
def test_protocols(metric, scores):
    assert [
        METRICS[metric](text, ["t-shirt"]) for text in ("t-shirt", "T-shirt", "t-shirt.", "tshirt!")
    ] == scores


def test_nothing_right_in_the_tail():
    head, tail = {"04": QUESTIONS["04"]}, {"05": QUESTIONS["05"]}
    scores = gqa_ood_scores(head, tail, said(q05="red"))
    assert (scores["all"], scores["head"], scores["tail"]) == (50, 100, 0)
    assert math.isnan(scores["delta"])
