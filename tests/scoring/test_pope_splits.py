import math

import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import METRICS, object_prior, pope_splits


def ask(image, name, label):
    article = "an" if name[0] in "aeiou" else "a"
    return {"image": image, "text": f"Is there {article} {name} in the image?", "label": label}


RANDOM = [ask("1", "cup", "yes"), ask("1", "oven", "no"), ask("2", "cup", "yes"), ask("2", "dog", "no")]
POPULAR = [ask("1", "cup", "yes"), ask("1", "car", "no"), ask("2", "cup", "yes"), ask("2", "car", "no")]
SAID = {"random": ["yes", "no", "no", "yes"], "popular": ["yes", "yes", "no", "no"]}


def test_every_pair_counts_once():
    scores = pope_splits({"random": RANDOM, "popular": POPULAR}, SAID)
    assert [sum(scores[split][cell] for cell in ("TP", "FP", "TN", "FN")) for split in scores] == [4, 4, 6]
    assert (scores["unique"]["TP"], scores["unique"]["FN"]) == (1, 1)
    assert scores["unique"]["accuracy"] == pytest.approx(3 / 6)
    assert scores["random"]["recall"] == scores["popular"]["recall"] == scores["unique"]["recall"]


def test_the_name_of_the_object_gives_the_answer_away():
    assert object_prior(POPULAR) == 1
    mixed = [*POPULAR, ask("3", "cup", "no"), ask("3", "car", "no")]
    assert object_prior(mixed) == pytest.approx(5 / 6)


def test_without_the_image_itself():
    # cup: the other image says yes, and yes is right; dog and oven: nothing is known, one half each.
    assert object_prior(RANDOM, other_images_only=True) == pytest.approx((1 + 0.5 + 1 + 0.5) / 4)
    two = [ask("1", "cup", "yes"), ask("2", "cup", "no")]
    assert object_prior(two) == 0.5
    assert object_prior(two, other_images_only=True) == 0


def test_a_constant_prior_is_worth_the_majority():
    records = [ask(str(image), "cup", "yes" if image < 7 else "no") for image in range(10)]
    assert object_prior(records) == pytest.approx(0.7)
    assert math.isnan(object_prior([]))


def test_a_pair_asked_twice():
    scores = pope_splits({"a": RANDOM[:1], "b": RANDOM[:1]}, {"a": ["no"], "b": ["yes"]})
    assert scores["unique"]["accuracy"] == 0
    with pytest.raises(UserError, match="'cup' in 1 is labelled yes and no; the second time in split b"):
        pope_splits({"a": RANDOM[:1], "b": [ask("1", "cup", "no")]}, {"a": ["no"], "b": ["no"]})


def test_questions_of_another_form_stand_for_themselves():
    said = [
        {"image": str(n), "text": "Do you see dogs?", "label": label}
        for n, label in enumerate(["yes", "yes", "no"])
    ]
    assert object_prior(said) == pytest.approx(2 / 3)


def test_questions_and_answers_are_of_the_same_splits():
    with pytest.raises(UserError, match=r"questions are of \['a'\], answers of \['b'\]"):
        pope_splits({"a": []}, {"b": []})


@pytest.mark.parametrize(("said", "score"), [("Yes", 1), ("yes\n", 1), ("Yes.", 0), ("Yes, there is", 0)])
def test_lmms_eval_takes_the_bare_word_only(said, score):
    assert METRICS["pope:lmms-eval"](said, ["yes"]) == score
