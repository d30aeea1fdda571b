"""Complementary pairs against loops, and their errors against a loop over all pairs of pairs."""

import json
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm, t
from small_records import ARMS, answered, values

from robust_atp.probes.probe import PROBES

RATE = {"none": 0.9, "random": 0.5, "atp": 0.7}
LINKS = [(i, (i + step) % 24) for i in range(24) for step in (1, 5)]


def draw(rng: np.random.Generator, links: list[tuple[int, int]]) -> pa.Table:
    """Pairs of questions about the linked images; an image's luck is shared by all that is asked about it."""
    luck = rng.normal(size=1 + max(map(max, links)))
    questions = [
        {
            "image_id": f"image{image}",
            "question_id": f"{100 + number}{side}",
            "answer": f"answer {side}",
            "group": json.dumps({"pair": f"p{number}"}),
        }
        for number, images in enumerate(links)
        for side, image in zip("ab", images, strict=True)
    ]

    def answer(arm: str, question: dict) -> dict:
        shared = luck[int(question["image_id"][5:])]
        right = shared + rng.normal() < np.sqrt(2) * norm.ppf(RATE[arm])
        return {
            "score": float(right),
            "prediction": question["answer"] if right else str(rng.choice(["answer a", "c"])),
        }

    return answered(questions, answer)


def test_shares_and_differences_are_those_of_a_loop():
    records = draw(np.random.default_rng(0), LINKS)
    found, against = values("pairs", records), values("pairs", records, "minus_unpruned")
    rows = records.to_pandas().set_index(["pruner", "question_id"])
    share = {}
    for arm in ARMS:
        members = [
            (rows.loc[(arm, f"{100 + n}a")], rows.loc[(arm, f"{100 + n}b")]) for n in range(len(LINKS))
        ]
        share[arm] = np.mean([a.score == 1 and b.score == 1 for a, b in members])
        same = np.mean([a.prediction == b.prediction for a, b in members])
        assert found["test", arm, "both right"] == pytest.approx(share[arm])
        assert found["test", arm, "same answer"] == pytest.approx(same)
    assert against["test", "atp", "both right"] == pytest.approx(share["atp"] - share["none"])
    assert np.isnan(against["test", "none", "both right"])


def test_the_error_adds_up_all_pairs_that_share_an_image():
    records = draw(np.random.default_rng(1), LINKS)
    rows = records.to_pandas().set_index(["pruner", "question_id"])["score"]
    right = np.array([rows["atp", f"{100 + n}a"] * rows["atp", f"{100 + n}b"] for n in range(len(LINKS))])
    e = right - right.mean()
    squares = (e**2).sum()
    together = 2 * sum(
        e[i] * e[j] for i, j in combinations(range(len(e)), 2) if set(LINKS[i]) & set(LINKS[j])
    )
    variance = max(squares + together, squares) / len(e) ** 2
    se = np.sqrt(variance * 12 / 11)
    assert values("pairs", records, "se")["test", "atp", "both right"] == pytest.approx(se)
    assert values("pairs", records, "hi")["test", "atp", "both right"] == pytest.approx(
        right.mean() + t.ppf(0.975, 11) * se
    )


def test_disjoint_pairs_are_independent():
    links = [(2 * i, 2 * i + 1) for i in range(15)]
    records = draw(np.random.default_rng(2), links)
    rows = records.to_pandas().set_index(["pruner", "question_id"])["score"]
    right = np.array([rows["atp", f"{100 + n}a"] * rows["atp", f"{100 + n}b"] for n in range(15)])
    assert values("pairs", records, "se")["test", "atp", "both right"] == pytest.approx(
        right.std(ddof=1) / np.sqrt(15)
    )


def test_a_pair_needs_both_members_and_a_question_may_have_several():
    records = draw(np.random.default_rng(3), LINKS).to_pandas()
    alone = records["question_id"] == "100b"
    assert values("pairs", records[~alone], "n")["test", "atp", "both right"] == len(LINKS) - 1
    joined = records.copy()
    # Question 101a is also the partner of 100b.
    joined.loc[joined["question_id"] == "101a", "group"] = json.dumps({"pair": "p1 extra"})
    joined.loc[joined["question_id"] == "100b", "group"] = json.dumps({"pair": "p0 extra"})
    assert values("pairs", joined, "n")["test", "atp", "both right"] == len(LINKS) + 1


def test_hostile_groups_give_no_rows():
    records = draw(np.random.default_rng(4), LINKS).to_pandas()
    run = PROBES.get("pairs").run
    assert run(records.assign(group="{}")).empty
    assert run(records.assign(group='{"pair": ""}')).empty
    assert run(records.assign(group='{"pair": "the same for all"}')).empty
    assert run(records[records["image_id"].isin(["image0", "image1"])]).empty  # one pair has no spread
