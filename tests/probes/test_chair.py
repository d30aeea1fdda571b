"""CHAIR against a reader of captions that goes word by word, and on captions whose objects are known."""

import json
import os
import re

import numpy as np
import pytest
from small_records import ARMS, answered, values

from robust_atp.data import load_dataset
from robust_atp.probes.probe import PROBES
from robust_atp.scoring.coco_objects import object_pattern, object_words, plural

COCO49 = os.environ.get("ROBUST_ATP_COCO49")
WORDS = object_words()


def mentioned(caption: str) -> list[str]:
    """At each word the longest phrase that is listed, else on to the next word."""
    text = "".join(c if c.isalnum() or c == "'" else " " for c in caption.lower()).replace("'s ", " ")
    words, found, at = text.split(), [], 0
    while at < len(words):
        for length in range(4, 0, -1):
            category = WORDS.get(" ".join(words[at : at + length]))
            if category is not None and at + length <= len(words):
                found.append(category)
                at += length
                break
        else:
            at += 1
    return [category for category in found if category]


PARTS = (
    "a man", "two women", "the dogs", "a hot dog", "dining table", "a train track", "a baby elephant", "teddy bears",
    "an orange cat", "sheep", "a cell-phone", "three knives", "a fire  truck", "benches", "wine glasses",
    "the dog's bowl", "a jet ski", "laptop computers", "nothing much", "a double decker bus", "grass", "Skis",
)  # fmt: skip


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)

    def sentence(count: int) -> str:
        return ", ".join(rng.choice(PARTS, count)) + "."

    questions = [
        {
            "image_id": str(image),
            "question_id": str(image),
            "answer_type": "caption",
            "question_type": "caption",
            "answers": [sentence(2) for _ in range(3)],
            "group": json.dumps({"objects": "" if image % 5 == 0 else "person, dining table"}),
        }
        for image in range(25)
    ]
    return answered(
        questions, lambda arm, question: {"prediction": sentence(int(rng.integers(1, 5))), "score": 0.0}
    )


def test_against_a_reader_that_goes_word_by_word(records):
    frame, found = records.to_pandas(), values("chair", records)
    counts = values("chair", records, "n")
    for arm in ARMS:
        wrong, total, captions, named, there = 0, 0, [], 0, 0
        for row in frame[frame["pruner"] == arm].itertuples():
            truth = set(filter(None, json.loads(row.group)["objects"].split(", ")))
            truth |= {name for reference in row.answers for name in mentioned(reference)}
            said = mentioned(row.prediction)
            wrong += sum(name not in truth for name in said)
            total += len(said)
            captions.append(any(name not in truth for name in said))
            named += len(truth & set(said))
            there += len(truth)
        assert found["test", arm, "CHAIRi"] == pytest.approx(wrong / total)
        assert counts["test", arm, "CHAIRi"] == total
        assert found["test", arm, "CHAIRs"] == pytest.approx(np.mean(captions))
        assert found["test", arm, "recall"] == pytest.approx(named / there)
        assert 0 < wrong < total


def test_length_counts_words(records):
    frame = records.to_pandas()
    frame.loc[frame["pruner"] == "atp", "prediction"] = "  A train-track,\n near\ttwo  dogs. "
    assert values("chair", frame)["test", "atp", "length"] == 6
    assert values("chair", frame.assign(prediction=""))["test", "atp", "length"] == 0


def test_captions_without_an_object_hallucinate_none(records):
    found = values("chair", records.to_pandas().assign(prediction="nothing to be seen"))
    assert found["test", "atp", "CHAIRs"] == 0
    assert "CHAIRi" not in found.index.get_level_values("quantity")


def test_images_without_annotated_objects_are_left_out(records):
    assert PROBES.get("chair").run(records.to_pandas().assign(group="{}")).empty


@pytest.mark.parametrize(
    ("caption", "objects"),
    [
        ("A hot dog on a plate", ["hot dog"]),
        ("a baby bear and a teddy bear", ["bear", "teddy bear"]),
        ("an orange cat with oranges", ["cat", "orange"]),
        ("a passenger train on train tracks", ["train"]),
        ("cattle, geese and mice", ["cow", "bird", "mouse"]),
        ("a toilet seat and toilet paper", ["toilet"]),
        ("skiers on skis", ["person", "skis"]),
        ("a snowboarder", ["person"]),
        ("handmade carpets", []),
    ],
)
def test_words_of_a_caption(caption: str, objects: list[str]):
    found = re.findall(object_pattern(WORDS), caption.lower())
    assert [WORDS[word] for word in found if WORDS[word]] == objects == mentioned(caption)


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("man", "men"), ("bus", "buses"), ("knife", "knives"), ("puppy", "puppies"), ("toy", "toys"),
        ("bench", "benches"), ("pickup truck", "pickup trucks"),
    ],
)  # fmt: skip
def test_plurals(one: str, several: str):
    assert plural(one) == several


def test_every_category_is_named_by_itself_and_by_nothing_else():
    assert len({category for category in WORDS.values() if category}) == 80
    assert all(WORDS[category] == category for category in WORDS.values() if category not in ("", "orange"))
    assert "orange" not in WORDS


@pytest.mark.skipif(COCO49 is None, reason="ROBUST_ATP_COCO49 names no folder with the 49 photos")
def test_people_hallucinate_little_and_captions_of_other_photos_much():
    data = load_dataset(
        {
            "name": "coco-captions", "captions": "captions.json", "instances": "instances.json",
            "images_folder": "images", "split": "val", "image_name": "{image_id:012d}.jpg",
        },
        base=str(COCO49),
    )  # fmt: skip
    examples = [example for example in data.examples() if example.group]
    held_out = {example.image_id: example.answers[0] for example in examples}
    others = dict(zip(held_out, [*held_out.values()][1:] + [*held_out.values()][:1], strict=True))
    questions = [
        {
            "image_id": e.image_id, "question_id": e.question_id, "answer_type": "caption",
            "answers": list(e.answers[1:]), "group": json.dumps(dict(e.group)),
        }
        for e in examples
    ]  # fmt: skip
    said = {"none": held_out, "random": others, "atp": {e.image_id: e.answers[1] for e in examples}}
    found = values(
        "chair",
        answered(questions, lambda arm, q: {"prediction": said[arm][q["image_id"]], "score": 0.0}),
    )
    assert len(examples) >= 40
    assert found["test", "atp", "CHAIRs"] == 0  # a reference names no object that the references do not
    assert found["test", "none", "CHAIRi"] < 0.1
    assert found["test", "random", "CHAIRi"] > 0.5
    assert 0.3 < found["test", "none", "recall"] < 0.7


def test_a_planted_habit_is_told_from_sight():
    """The phantom writes no captions: here one backbone names what is there, one adds a chair wherever a table is."""
    questions = [
        {
            "image_id": str(image), "question_id": str(image), "answer_type": "caption", "answers": ["a room"],
            "group": json.dumps({"objects": "dining table" if image % 2 else "cat"}),
        }
        for image in range(40)
    ]  # fmt: skip

    def caption(arm: str, question: dict) -> dict:
        table = "table" in question["group"]
        habit = table and arm == "atp"
        return {
            "prediction": f"a {'table' if table else 'cat'}{' with a chair' if habit else ''}",
            "score": 0.0,
        }

    records = answered(questions, caption)
    assert values("chair", records)["test", "none", "CHAIRs"] == 0
    assert values("chair", records, "minus_unpruned")["test", "atp", "CHAIRs"] == 0.5
    assert values("chair", records, "minus_unpruned_lo")["test", "atp", "CHAIRs"] > 0.3
    assert values("chair", records)["test", "atp", "CHAIRi"] == pytest.approx(20 / 60)
