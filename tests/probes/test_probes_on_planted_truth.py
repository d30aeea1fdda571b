"""The probes find the shortcut that was planted, and none where none was."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.probes.probe import AGAINST_UNPRUNED, COLUMNS, PROBES
from robust_atp.probes.quantities import KEYS
from robust_atp.probes.worst_group import IMAGES


@pytest.fixture(scope="module")
def records():
    return synthetic_records()


@pytest.fixture(scope="module")
def labelled(records) -> pd.DataFrame:
    """The records with the keys, captions, experiments and edited scenes that some probe needs."""
    frame = records.to_pandas()
    frame = frame[(frame["severity"] == 0) | (frame["severity"] == 5)]
    group = []
    for row in frame.itertuples():
        image, question = divmod(int(row.question_id), 1000)
        keys = json.loads(row.group) | {
            "frequency": "head" if question < 2 else "tail",
            "pair": f"{image // 2}-{question}",
            "entailed": str(1000 * image + (question + 1) % 4),
            "objects": "dog",
        }
        group.append(json.dumps(keys))
    captions = frame["question_type"] == "shape"
    frame.loc[captions, "answer_type"] = "caption"
    frame.loc[captions, "prediction"] += ", a cat and a dog"
    frame = frame.assign(group=group)
    clean, blank = (frame[frame["intervention"] == name] for name in ("clean", "blank"))
    parts = [clean.assign(variant=name) for name in ("objects only", "background only")]
    return pd.concat([frame, *parts, blank.assign(intervention="objects-removed")], ignore_index=True)


def probe(name: str, records) -> pd.DataFrame:
    return PROBES.get(name).run(records)


@pytest.mark.parametrize("name", PROBES.names())
def test_every_probe_reports_every_arm_with_its_n(name: str, labelled):
    table = probe(name, labelled)
    assert tuple(table.columns)[: len(COLUMNS)] == COLUMNS
    assert set(table["pruner"]) == {"none", "random", "atp"}
    assert (table["n"] > 0).all()
    assert not table.duplicated([*KEYS]).any()
    assert ((table["lo"] <= table["value"] + 1e-12) & (table["value"] <= table["hi"] + 1e-12)).all()


@pytest.mark.parametrize("name", PROBES.names())
def test_records_without_what_a_probe_needs_give_an_empty_table(name: str, records):
    frame = records.to_pandas()
    # One corrupted image, no labels, no masks, no unpruned model, no probabilities, no yes/no questions.
    bare = frame[
        (frame["severity"] > 0)
        & (frame["pruner"] != "none")
        & (frame["image_id"] == "0")
        & (frame["question_type"] == "shape")
    ].assign(group="{}", object_patches=None, first_token_logprob=np.nan)
    table = probe(name, bare)
    assert table.empty
    assert tuple(table.columns)[: len(COLUMNS)] == COLUMNS
    assert PROBES.get(name).needs


def test_background_gap_tells_the_two_backbones_apart(records):
    table = probe("background-gap", records)
    gap = table[(table["quantity"] == "gap") & (table["intervention"] == "clean")]
    gap = gap.set_index(["backbone", "pruner"])
    value, lo, hi = gap["value"], gap["lo"], gap["hi"]
    for arm in ("none", "random", "atp"):
        assert value["phantom", arm] == pytest.approx(0.0, abs=1e-12)
        assert value["phantom-shortcut", arm] == pytest.approx(0.40)
        assert lo["phantom-shortcut", arm] > 0.2
        assert lo["phantom", arm] < 0 < hi["phantom", arm]


def test_a_cell_with_only_aligned_questions_has_no_gap(records):
    frame = records.to_pandas()
    aligned = frame[frame["group"].str.contains("aligned")]
    table = probe("background-gap", aligned)
    assert set(table["quantity"]) == {"aligned"}


def test_blind_accuracy_and_what_seeing_adds(records):
    truth = Truth()
    table = probe("control-images", records).set_index(["backbone", "pruner", "intervention", "quantity"])[
        "value"
    ]
    assert table["phantom", "atp", "blank", "blind accuracy"] == pytest.approx(truth.blind)
    assert table["phantom", "atp", "blank", "visual gain"] == pytest.approx(truth.clean["atp"] - truth.blind)
    # Thresholds are shared, so the answers differ exactly where seeing helps.
    assert table["phantom", "atp", "blank", "agreement"] == pytest.approx(
        1 - (truth.clean["atp"] - truth.blind)
    )


def test_recall_of_object_patches_and_its_random_floor(records):
    truth = Truth()
    table = probe("kept-token-recall", records)
    clean = table[(table["intervention"] == "clean") & (table["backbone"] == "phantom")]
    value = clean.set_index(["pruner", "quantity"])["value"]
    assert value["atp", "recall"] == pytest.approx(truth.object_recall)
    assert value["atp", "floor"] == value["random", "floor"] == pytest.approx(0.25)
    assert value["atp", "lift"] == pytest.approx(truth.object_recall / 0.25)
    assert value["atp", "precision"] == pytest.approx(truth.object_recall * truth.object_size / 49)
    assert value["random", "recall"] == pytest.approx(0.25, abs=0.05)
    assert value["none", "recall"] == value["none", "floor"] == 1


def test_images_without_object_patches_are_left_out(records):
    frame = records.to_pandas()
    nothing = bytes(len(frame["object_patches"].iloc[0]))
    frame.loc[frame["image_id"] == "3", "object_patches"] = nothing
    assert set(probe("kept-token-recall", frame)["images"]) == {49}


def clean(name: str, records) -> pd.Series:
    table = probe(name, records)
    table = table[table["intervention"] == "clean"]
    return table.set_index(["backbone", "pruner", "quantity"])["value"]


def test_flips_add_up_to_the_loss_and_hide_nothing(records):
    truth, value = Truth(), clean("flips", records)
    lost = truth.clean["none"] - truth.clean["atp"]
    assert value["phantom", "atp", "right to wrong"] - value[
        "phantom", "atp", "wrong to right"
    ] == pytest.approx(lost)
    # Thresholds are shared, so the arm that is worse wins nothing back, and every lost answer is another word.
    assert value["phantom", "atp", "wrong to right"] == 0
    assert value["phantom", "atp", "churn"] == pytest.approx(lost)
    assert (value.xs("none", level="pruner") == 0).all()


def test_equal_accuracy_does_not_hide_exchanged_answers(records):
    """Turn the answers of ATP round on half of the images: the accuracy of two arms can then be alike."""
    frame = records.to_pandas()
    turned = (frame["pruner"] == "atp") & (frame["image_id"].astype(int) < 25)
    frame.loc[turned, "score"] = 1 - frame.loc[turned, "score"]
    frame.loc[turned, "prediction"] = "something else"
    value = clean("flips", frame)
    assert value["phantom", "atp", "churn"] > 0.5
    assert value["phantom", "atp", "wrong to right"] > 0.05


def test_the_mean_divergence_leaves_out_what_has_none(records):
    frame = records.to_pandas()
    frame["first_token_kl"] = np.where(frame["pruner"] == "atp", 0.25, 0.0)
    frame.loc[(frame["pruner"] == "atp") & (frame["image_id"] == "0"), "first_token_kl"] = np.inf
    frame.loc[(frame["pruner"] == "atp") & (frame["image_id"] == "1"), "first_token_kl"] = np.nan
    table = probe("flips", frame).query("quantity == 'first-token kl'")
    atp, unpruned = (table[table["pruner"] == name] for name in ("atp", "none"))
    assert set(atp["value"]) == {0.25}
    assert set(atp["images"]) == {48}
    assert set(unpruned["value"]) == {0.0}


def test_prior_collapse_counts_lost_answers_that_are_the_blind_ones(records):
    """Oracle: plain loops over the questions of one backbone."""
    frame = records.to_pandas()
    value = clean("prior-collapse", frame)
    mine = frame[(frame["backbone"] == "phantom") & (frame["severity"] == 0)]
    mine = mine.set_index(["pruner", "intervention", "question_id"]).sort_index()
    said, right = mine["prediction"], mine["score"]
    moved, errors = [], []
    for question in said["none", "clean"].index:
        blind = said["none", "blank", question]
        if said["none", "clean", question] == blind:
            continue
        moved.append(said["atp", "clean", question] == blind)
        if right["none", "clean", question] == 1 and right["atp", "clean", question] == 0:
            errors.append(said["atp", "clean", question] == blind)
    assert value["phantom", "atp", "collapse to blank"] == pytest.approx(np.mean(moved))
    assert value["phantom", "atp", "collapse to blank in errors"] == pytest.approx(np.mean(errors))
    assert 0 < np.mean(moved) < 1
    assert value["phantom", "none", "collapse to blank"] == 0


def test_the_usual_answer_is_counted_on_other_images(records):
    value = clean("answer-prior", records)
    # Shapes are stars on 38 of 50 images: whatever fold is left out, "star" is usual. Existence is even.
    frame = records.to_pandas()
    shapes = frame[
        (frame["backbone"] == "phantom-shortcut") & (frame["pruner"] == "none") & (frame["intervention"] == "clean")
        & (frame["question_type"] == "shape")
    ]  # fmt: skip
    only = clean("answer-prior", frame[frame["question_type"] == "shape"])
    for kind, answer in (("prior right", "star"), ("prior wrong", "circle")):
        expected = shapes[shapes["answer"] == answer]["score"].mean()
        assert only["phantom-shortcut", "none", kind] == pytest.approx(expected)
    # Whoever is wrong about a circle says "star".
    assert only["phantom-shortcut", "none", "prior errors"] == 1
    gap = value["phantom", "none", "prior right"] - value["phantom", "none", "prior wrong"]
    assert value["phantom", "none", "gap"] == pytest.approx(gap)


def test_a_moved_threshold_shows_in_yes_and_not_in_the_auc(records):
    frame = records.to_pandas()
    asked = frame["question_type"] == "existence"
    rng = np.random.default_rng(0)
    margin = np.where(frame["answer"] == "yes", 1.0, -1.0) + rng.normal(0, 1.5, len(frame))

    def with_threshold(threshold: float) -> pd.Series:
        said = np.where(margin > threshold, "yes", "no")
        changed = frame.assign(
            prediction=said, yes_no_margin=margin, score=(said == frame["answer"]).astype(float)
        )
        return clean("yes-bias", changed[asked])

    even, eager = with_threshold(0.0), with_threshold(-1.0)
    assert even["phantom", "atp", "auc"] == eager["phantom", "atp", "auc"] > 0.7
    assert eager["phantom", "atp", "yes excess"] > even["phantom", "atp", "yes excess"] + 0.1
    ratio = even["phantom", "atp", "yes ratio"]
    assert even["phantom", "atp", "yes excess"] == pytest.approx(ratio - 0.5)


def test_worst_group_is_the_conflict_questions_of_the_shortcut(records):
    truth, value = Truth(), clean("worst-group", records)
    groups = records.to_pandas()
    groups = groups[
        (groups["backbone"] == "phantom-shortcut") & (groups["pruner"] == "none") & (groups["intervention"] == "clean")
    ]  # fmt: skip
    of_group = groups.groupby(["question_type", "group"])["score"].mean()
    assert value["phantom-shortcut", "none", "worst"] == pytest.approx(of_group.min())
    assert value["phantom-shortcut", "none", "best"] == pytest.approx(of_group.max())
    assert value["phantom-shortcut", "none", "spread"] == pytest.approx(of_group.max() - of_group.min())
    assert (
        value["phantom-shortcut", "none", "spread"]
        > value["phantom", "none", "spread"] + truth.half_gap["phantom-shortcut"]
    )


def test_worst_group_leaves_out_what_few_images_ask(records):
    rows = records.to_pandas()
    rows = rows[(rows["backbone"] == "phantom-shortcut") & (rows["intervention"] == "clean")]
    kinds = rows["question_type"] + rows["group"]
    score = rows[rows["pruner"] == "none"].groupby(kinds)["score"].mean()
    rare, images = kinds == score.idxmin(), rows["image_id"]
    first = images[rare].drop_duplicates().head(IMAGES)

    def worst(some: pd.DataFrame) -> float:
        return clean("worst-group", some)["phantom-shortcut", "none", "worst"]

    assert worst(rows) == pytest.approx(score.min())
    assert worst(rows[~rare | images.isin(first[:-1])]) == pytest.approx(score.drop(score.idxmin()).min())
    assert worst(rows[~rare | images.isin(first)]) < score.drop(score.idxmin()).min()
    assert probe("worst-group", rows[rare]).empty  # nothing to be worse than


def test_calibration_against_the_definition(records):
    frame = records.to_pandas()
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.05, 0.999, len(frame))
    frame = frame.assign(first_token_logprob=np.log(sure))
    value = clean("calibration", frame)
    mine = (frame["backbone"] == "phantom") & (frame["pruner"] == "atp") & (frame["intervention"] == "clean")
    p, s = sure[mine], frame[mine]["score"].to_numpy()
    bins = (p * 10).astype(int)
    ece = sum(abs((p - s)[bins == b].sum()) for b in range(10)) / len(p)
    assert value["phantom", "atp", "ece"] == pytest.approx(ece)
    assert value["phantom", "atp", "brier"] == pytest.approx(((p - s) ** 2).mean())
    assert value["phantom", "atp", "confidence"] == pytest.approx((p - s).mean())


# Flips and collapses are defined against the unpruned model: for it they are 0.
@pytest.mark.parametrize("name", [name for name in PROBES.names() if name not in ("flips", "prior-collapse")])
def test_every_quantity_is_set_against_the_unpruned_models(name: str, labelled):
    table = probe(name, labelled)
    value = table.set_index([*KEYS])["value"]
    beside = {"both right", "unpruned, both right", "change"} if name == "gqa-consistency" else set()
    for row in table.to_dict("records"):
        difference, lo, hi = (row[column] for column in AGAINST_UNPRUNED)
        if row["pruner"] == "none" or row["quantity"] in beside:
            assert np.isnan(difference)
            continue
        unpruned = row | {"pruner": "none", "keep": 1.0}
        assert difference == pytest.approx(row["value"] - value[tuple(unpruned[key] for key in KEYS)])
        assert lo <= difference <= hi


def test_the_difference_is_that_of_the_same_draws_of_images(records):
    """Oracle: a bootstrap that draws images by name, for the gap of ATP minus that of the unpruned model."""
    frame = records.to_pandas()
    frame = frame[
        (frame["intervention"] == "fog") & (frame["severity"] == 5) & (frame["backbone"] == "phantom")
    ]
    scores = frame.assign(aligned=frame["group"].str.contains("aligned")).pivot_table(
        index="image_id", columns=["pruner", "aligned"], values="score"
    )
    change = (scores["atp", True] - scores["atp", False]) - (scores["none", True] - scores["none", False])
    rng = np.random.default_rng(3)
    draws = [change.to_numpy()[rng.integers(0, 50, 50)].mean() for _ in range(4000)]
    table = probe("background-gap", frame)
    row = table[(table["quantity"] == "gap") & (table["pruner"] == "atp")].iloc[0]
    assert row["minus_unpruned"] == pytest.approx(change.mean())
    assert list(row[list(AGAINST_UNPRUNED[1:])]) == pytest.approx(
        np.quantile(draws, [0.025, 0.975]), abs=0.015
    )
    # Paired: narrower than the gaps' own intervals, which are as wide as the images differ.
    assert row["minus_unpruned_hi"] - row["minus_unpruned_lo"] < row["hi"] - row["lo"]
