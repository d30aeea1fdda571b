"""Head against tail, and what a right answer entails, against loops over the answers."""

import json
from statistics import mean

import numpy as np
import pytest
from small_records import ARMS, answered, values

from robust_atp.probes.probe import PROBES
from robust_atp.scoring import gqa_scores


@pytest.fixture(scope="module")
def records():
    """20 images of six questions: 0 entails 1, 2 and itself, 3 entails 4 and one that is not asked, 5 nothing."""
    rng = np.random.default_rng(0)
    entailed = {0: (0, 1, 2), 3: (4, 9)}
    questions = [
        {
            "image_id": str(image),
            "question_id": str(10 * image + number),
            "answer": "yes",
            "group": json.dumps(
                {"frequency": "head" if number < 4 else "tail"}
                | ({"entailed": " ".join(str(10 * image + n) for n in entailed[number])} if number in entailed else {})
            ),
        }
        for image in range(20)
        for number in range(6)
    ]  # fmt: skip

    def answer(arm: str, question: dict) -> dict:
        right = rng.random() < {"none": 0.9, "random": 0.5, "atp": 0.7}[arm]
        return {"score": float(right), "prediction": "yes" if right else "no"}

    return answered(questions, answer)


def test_head_tail_and_delta(records):
    frame, found = records.to_pandas(), values("gqa-ood", records)
    number = frame["question_id"].astype(int) % 10
    for arm in ARMS:
        scores = frame["score"][frame["pruner"] == arm]
        head, tail = scores[number < 4].mean(), scores[number >= 4].mean()
        assert found["test", arm, "head"] == pytest.approx(head)
        assert found["test", arm, "tail"] == pytest.approx(tail)
        assert found["test", arm, "delta"] == pytest.approx((head - tail) / tail)
    assert values("gqa-ood", records, "n")["test", "atp", "delta"] == 120


def test_nothing_right_in_the_tail_has_no_delta(records):
    frame = records.to_pandas()
    found = values("gqa-ood", frame.assign(score=frame["score"] * frame["group"].str.contains("head")))
    assert found["test", "atp", "tail"] == 0
    assert "delta" not in found.index.get_level_values("quantity")


def test_consistency_on_premises_that_both_answer_right(records):
    found, change = values("gqa-consistency", records), {}
    score = records.to_pandas().set_index(["pruner", "question_id"])["score"]
    premises = {str(10 * i): [str(10 * i + 1), str(10 * i + 2)] for i in range(20)}
    premises |= {str(10 * i + 3): [str(10 * i + 4)] for i in range(20)}
    for arm in ARMS:
        own = [p for p in premises if score[arm, p] == 1]
        both = [p for p in own if score["none", p] == 1]
        assert len(both) < len(own) or arm == "none"

        def of(pruner: str, chosen: list[str]) -> float:
            return mean(mean(score[pruner, q] for q in premises[p]) for p in chosen)

        assert found["test", arm, "consistency"] == pytest.approx(of(arm, own))
        assert found["test", arm, "both right"] == pytest.approx(of(arm, both))
        assert found["test", arm, "unpruned, both right"] == pytest.approx(of("none", both))
        change[arm] = of(arm, both) - of("none", both)
        assert found["test", arm, "change"] == pytest.approx(change[arm])
    assert change["none"] == 0


def test_consistency_of_the_arm_is_the_official_one(records):
    frame = records.to_pandas()
    frame = frame[(frame["pruner"] == "atp") & ~frame["question_id"].str.endswith(("3", "4"))]
    questions = {
        row.question_id: {
            "answer": "yes", "isBalanced": True, "entailed": json.loads(row.group).get("entailed", "").split(),
            "types": dict.fromkeys(("structural", "semantic", "detailed"), ""), "groups": {"global": None},
            "question": "", "semantic": [],
        }
        for row in frame.itertuples()
    }  # fmt: skip
    said = [{"questionId": row.question_id, "prediction": row.prediction} for row in frame.itertuples()]
    official = gqa_scores(questions, said)["consistency"]
    assert 100 * values("gqa-consistency", frame)["test", "atp", "consistency"] == pytest.approx(official)


def test_without_the_unpruned_model_there_is_only_the_arms_own_consistency(records):
    frame = records.to_pandas()
    found = values("gqa-consistency", frame[frame["pruner"] != "none"])
    assert set(found.index.get_level_values("quantity")) == {"consistency"}


@pytest.mark.parametrize("group", ["{}", '{"entailed": ""}', '{"entailed": "no such question"}'])
def test_nothing_entailed_gives_no_rows(records, group: str):
    assert PROBES.get("gqa-consistency").run(records.to_pandas().assign(group=group)).empty
