"""The probes find the shortcut that was planted, and none where none was."""

import pandas as pd
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.probes.probe import COLUMNS, PROBES


@pytest.fixture(scope="module")
def records():
    return synthetic_records()


def probe(name: str, records) -> pd.DataFrame:
    return PROBES.get(name).run(records)


@pytest.mark.parametrize("name", PROBES.names())
def test_every_probe_reports_every_arm_with_its_n(name: str, records):
    table = probe(name, records)
    assert tuple(table.columns) == COLUMNS
    assert set(table["pruner"]) == {"none", "random", "atp"}
    assert (table["n"] > 0).all()
    assert ((table["lo"] <= table["value"] + 1e-12) & (table["value"] <= table["hi"] + 1e-12)).all()


@pytest.mark.parametrize("name", PROBES.names())
def test_records_without_what_a_probe_needs_give_an_empty_table(name: str, records):
    frame = records.to_pandas()
    bare = frame[frame["severity"] > 0].assign(group="{}", object_patches=None)
    table = probe(name, bare)
    assert table.empty
    assert tuple(table.columns) == COLUMNS
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
