"""POPE by split against the scorer that loops over answers, and against loops of its own."""

import hashlib

import numpy as np
import pytest
from small_records import ARMS, answered, values

from robust_atp.probes.probe import PROBES
from robust_atp.scoring import pope_answer, pope_scores, pope_splits

OBJECTS = ("car", "ice cream", "apple", "dining table", "zebra")


@pytest.fixture(scope="module")
def records():
    """Two splits of 30 images that share their positives, with "car" mostly there and "zebra" mostly not."""
    rng = np.random.default_rng(0)
    questions = [
        {
            "split": split,
            "image_id": f"{image}.jpg",
            "question_id": f"{image}-{name}",
            "question": f"Is there {'an' if name[0] in 'aeiou' else 'a'} {name} in the image?",
            "question_type": "existence",
            "answer": label,
        }
        for image in range(30)
        for name, label in zip(OBJECTS, np.where(rng.random(5) < np.linspace(0.8, 0.2, 5), "yes", "no"), strict=True)
        for split in ("popular", "random")
        if label == "yes" or (split == "popular") == (name == "zebra")
    ]  # fmt: skip
    return answered(questions, lambda arm, question: _said(rng, question["answer"]))


def _said(rng: np.random.Generator, label: str) -> dict:
    margin = rng.normal(1.0 if label == "yes" else -1.0, 1.5)
    prediction = rng.choice(
        ["Yes.", "yes, it is"] if margin > 0 else ["No.", "no, it is not", "there is not"]
    )
    score = float(pope_answer(prediction) == label)
    return {"prediction": str(prediction), "yes_no_margin": margin, "score": score}


def test_scores_of_every_split_are_the_scorers(records):
    found, frame = values("pope-splits", records), records.to_pandas()
    for arm in ARMS:
        mine = frame[frame["pruner"] == arm]
        by_split = dict(list(mine.groupby("split")))
        asked = {
            split: [
                {"image": i, "text": q, "label": a}
                for i, q, a in rows[["image_id", "question", "answer"]].to_numpy()
            ]
            for split, rows in by_split.items()
        }
        oracle = pope_splits(asked, {split: list(rows["prediction"]) for split, rows in by_split.items()})
        for split, scores in oracle.items():
            assert found[split, arm, "accuracy"] == pytest.approx(scores["accuracy"])
            assert found[split, arm, "f1"] == pytest.approx(scores["f1"])
            assert found[split, arm, "yes ratio"] == pytest.approx(scores["yes_ratio"])


def test_a_pair_that_splits_share_counts_once(records):
    counts = values("pope-splits", records, "n")
    pairs = records.to_pandas()[["image_id", "question"]].drop_duplicates()
    assert counts["unique", "atp", "accuracy"] == len(pairs)
    assert counts["unique", "atp", "accuracy"] < (
        counts["popular", "atp", "accuracy"] + counts["random", "atp", "accuracy"]
    )


def test_one_split_has_no_unique_pairs_of_its_own(records):
    frame = records.to_pandas()
    assert set(PROBES.get("pope-splits").run(frame[frame["split"] == "random"])["split"]) == {"random"}


def test_the_prior_is_counted_on_the_other_folds(records):
    """Oracle: a loop over questions. Folds are those of the image's hash, so ask which images share one."""

    def fold(image: str) -> int:
        return int.from_bytes(hashlib.md5(image.encode()).digest()[8:], "little") % 10

    frame = records.to_pandas()
    found = values("pope-splits", records)
    for split in ("popular", "random"):
        rows = frame[(frame["split"] == split) & (frame["pruner"] == "atp")]
        worth = []
        for row in rows.itertuples():
            same = rows[
                (rows["question"] == row.question) & (rows["image_id"].map(fold) != fold(row.image_id))
            ]
            votes = (same["answer"] == "yes").sum() - (same["answer"] == "no").sum()
            usual = "yes" if votes > 0 else "no"
            worth.append(0.5 if votes == 0 else float(usual == row.answer))
        assert found[split, "atp", "object prior"] == pytest.approx(np.mean(worth))
        above = rows["score"].mean() - np.mean(worth)
        assert found[split, "atp", "above prior"] == pytest.approx(above)


def test_auc_counts_pairs_of_margins(records):
    rows = records.to_pandas()
    rows = rows[(rows["split"] == "popular") & (rows["pruner"] == "atp")]
    yes, no = (rows.loc[rows["answer"] == label, "yes_no_margin"].to_numpy() for label in ("yes", "no"))
    assert values("pope-splits", records)["popular", "atp", "auc"] == pytest.approx(
        (yes[:, None] > no).mean()
    )


def test_labels_of_one_kind_have_no_auc_and_refusals_no_f1(records):
    frame = records.to_pandas()
    negatives = frame[frame["answer"] == "no"].assign(prediction="no", score=1.0)
    found = values("pope-splits", negatives)
    assert "auc" not in found.index.get_level_values("quantity")
    assert "f1" not in found.index.get_level_values("quantity")
    assert found["popular", "atp", "accuracy"] == 1
    assert pope_scores(["no"], ["no"])["f1"] != pope_scores(["no"], ["no"])["f1"]  # nan there, too


def test_margins_that_are_nan_leave_the_rest(records):
    found = values("pope-splits", records.to_pandas().assign(yes_no_margin=np.nan))
    assert "auc" not in found.index.get_level_values("quantity")
    assert found["popular", "atp", "accuracy"] > 0
