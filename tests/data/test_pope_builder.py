from collections import Counter
from pathlib import Path

import pytest
from coco_fixture import PHOTOS, write_json, write_photos

from robust_atp.data import load_dataset
from robust_atp.data.pope_building import build_pope, question
from robust_atp.scoring import object_prior

OBJECTS = {
    "1": ["person", "dog", "car"],
    "2": ["person", "dog", "bench", "ball"],
    "3": ["person", "cat", "couch"],
    "4": ["person", "car", "bus"],
    "5": ["dog"],
}
STRATEGIES = ("random", "popular", "adversarial")


def present(record):
    return record["label"] == "yes"


def name_of(record):
    return (
        record["text"].removeprefix("Is there an ").removeprefix("Is there a ").removesuffix(" in the image?")
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_half_is_there_and_nothing_is_asked_twice(strategy):
    records = list(build_pope(OBJECTS, strategy))
    assert [record["question_id"] for record in records] == list(range(1, 25))
    assert {record["image"] for record in records} == {"1", "2", "3", "4"}
    for record in records:
        assert present(record) == (name_of(record) in OBJECTS[record["image"]])
    assert Counter(map(present, records)) == {True: 12, False: 12}
    assert len({(record["image"], name_of(record)) for record in records}) == len(records)
    assert [name_of(r) for r in records if present(r) and r["image"] == "2"] == ["person", "dog", "bench"]


def test_popular_asks_for_the_most_frequent_absent_objects():
    # dog is in three images, car in two, all others in one: of those the first by name.
    records = [r for r in build_pope(OBJECTS, "popular") if r["image"] == "3" and not present(r)]
    assert [name_of(record) for record in records] == ["dog", "car", "ball"]


def test_adversarial_asks_for_what_goes_with_the_present_object():
    records = [r for r in build_pope(OBJECTS, "adversarial") if r["image"] == "3"]
    # With person: dog twice, car twice; both before anything else.
    assert (name_of(records[0]), name_of(records[1])) == ("person", "car")
    # With cat nothing absent occurs, so that one is drawn; with couch neither.
    assert name_of(records[2]) == "cat"
    assert name_of(records[3]) not in OBJECTS["3"]
    # With dog in image 1: ball and bench, both once; ball was asked for beside person.
    records = [r for r in build_pope(OBJECTS, "adversarial") if r["image"] == "1"]
    assert [name_of(record) for record in records[:4]] == ["person", "ball", "dog", "bench"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_decides_the_draws_and_nothing_else_does(strategy):
    chosen = [list(build_pope(OBJECTS, strategy, images=2, seed=seed)) for seed in (0, 0, 1, 2, 3)]
    assert chosen[0] == chosen[1]
    assert any(other != chosen[0] for other in chosen[2:])
    assert all(len({record["image"] for record in records}) == 2 for records in chosen)


def test_an_image_that_shows_everything_gets_no_absent_object():
    assert list(build_pope({"1": ["a", "b"], "2": ["a", "b"]}, "random", pairs=2)) == []


def test_articles():
    assert question("orange") == "Is there an orange in the image?"
    assert question("hot dog") == "Is there a hot dog in the image?"


def test_popular_negatives_are_given_away_by_their_names():
    many = {str(n): ["person", f"thing {n}", f"other {n}"] for n in range(30)}
    assert object_prior(build_pope(many, "popular")) > object_prior(build_pope(many, "random"))


def test_from_coco_instances(tmp_path: Path) -> None:
    document = {
        "images": [{"id": n, "height": 24, "width": 30 + n} for n in PHOTOS],
        "annotations": [
            {"image_id": n, "category_id": 1 + (k + n) % 9, "bbox": [k, 0, 2, 2]}
            for n in PHOTOS
            for k in range(3)
        ],
        "categories": [{"id": n, "name": f"thing {n}"} for n in range(1, 10)],
    }
    write_json(tmp_path / "i.json", document)
    write_photos(tmp_path / "images")
    entry = {
        "name": "pope-builder", "split": "adversarial", "instances": "i.json", "images_folder": "images",
        "image_name": "COCO_val2014_{image_id:012d}.png",
    }  # fmt: skip
    data = load_dataset(entry, base=tmp_path)
    assert len(data.examples()) == 18
    assert data.metric == "pope"
    assert data.image("7").shape == (24, 37, 3)
    mask = data.object_mask("7")
    assert mask is not None
    assert mask.sum() == 8
    two = load_dataset(entry | {"limit": 2}, base=tmp_path)
    assert len(two.image_ids()) == 2
