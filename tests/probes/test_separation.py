"""Every registered probe on the shipped phantoms: it finds the planted shortcut, or says why it need not."""

import dataclasses

import pandas as pd
import pytest

from experiments.benchmarks.probe_calibration import markdown, phantom_records
from robust_atp.errors import UserError
from robust_atp.probes.phantom_views import with_entailments, with_frequency, with_pairs
from robust_atp.probes.probe import PROBES
from robust_atp.probes.separation import COLUMNS, declaration, separation


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return phantom_records(tmp_path_factory.mktemp("phantoms"), images=64)


@pytest.fixture(scope="module")
def table(records: pd.DataFrame) -> pd.DataFrame:
    return separation(records)


@pytest.mark.parametrize("name", PROBES.names())
def test_a_probe_separates_the_phantoms_or_says_why_not(name: str, table: pd.DataFrame) -> None:
    probe = PROBES.get(name)
    (row,) = table[(table["probe"] == name) & table["declared"]].to_dict("records")
    assert row["separates"] or declaration(probe).why_not, f"{row['quantity']} does not tell them apart"
    measured = declaration(probe).measured
    if measured is None:
        assert pd.isna(row["difference"])
    else:  # what `list probes` says was found on 200 scenes, of which these are the first 64
        margin = 0.05 + (row["hi"] - row["lo"])
        assert row["difference"] == pytest.approx(measured[1] - measured[0], abs=margin)


def test_a_probe_that_declares_nothing_is_told_what_to_do() -> None:
    silent = dataclasses.replace(PROBES.get("flips"), name="silent", on_phantom=None)
    with pytest.raises(UserError, match=r"probe 'silent' does not say .* on_phantom=OnPhantom\(quantity\)"):
        declaration(silent)


def test_difference_interval_and_effect(table: pd.DataFrame, records: pd.DataFrame) -> None:
    assert tuple(table.columns) == COLUMNS
    row = table[(table["probe"] == "yes-bias") & (table["quantity"] == "accuracy")].iloc[0]
    asked = records[(records["answer"].isin(["yes", "no"])) & (records["pruner"] == "none")]
    asked = asked[(asked["intervention"] == "clean") & (asked["variant"] == "own")]
    mean = asked.groupby("backbone")["score"].mean()
    assert row["phantom"] == pytest.approx(mean["phantom"])
    assert row["difference"] == pytest.approx(mean["phantom-shortcut"] - mean["phantom"])
    assert row["lo"] < row["difference"] < row["hi"] < 0
    half = (row["hi"] - row["lo"]) / 2
    # With one standard deviation for both, the interval is ±1.96 · √(2 / images) · difference / effect.
    spread = row["difference"] / row["effect"]
    assert half == pytest.approx(1.96 * spread * (2 / row["images"]) ** 0.5, rel=1e-3)


def test_markdown_has_a_line_for_every_probe(table: pd.DataFrame) -> None:
    text = markdown(table[table["declared"]])
    assert [line.split(" | ")[0].strip("| ") for line in text.splitlines()[2:]] == PROBES.names()
    assert "FAILS" not in text
    failed = table[table["probe"] == "background-gap"].assign(separates=False)
    assert "FAILS" in markdown(failed)


def test_pairs_have_one_wording_two_scenes_and_two_answers(records: pd.DataFrame) -> None:
    paired = with_pairs(records).query("group != '{}'").drop_duplicates("question_id")
    assert len(paired) > 100
    for _, members in paired.groupby("group"):
        assert len(members) == 2
        assert members["question"].nunique() == 1
        assert members["answer"].nunique() == members["image_id"].nunique() == 2


def test_frequency_follows_the_cue(records: pd.DataFrame) -> None:
    frequency = with_frequency(records)["group"]
    assert (records["group"].str.contains("aligned") == frequency.str.contains("head")).all()
    assert (records["group"].str.contains("conflict") == frequency.str.contains("tail")).all()


def test_entailed_questions_have_the_answer_that_the_premise_implies() -> None:
    asked = [
        ("1", "shape", "Which shape is red?", "star"),
        ("2", "colour", "What color is the ring?", "blue"),
        ("3", "existence", "Is there anything red?", "yes"),
        ("4", "existence", "Is there a red ring?", "no"),
        ("5", "existence", "Is there a blue star?", "no"),
        ("6", "existence", "Is there a ring?", "yes"),
        ("7", "existence", "Is there a green cross?", "no"),
    ]
    columns = ["question_id", "question_type", "question", "answer"]
    found = with_entailments(pd.DataFrame(asked, columns=columns).assign(image_id="1", group="{}"))
    entailed = dict(zip(found["question_id"], found["group"], strict=True))
    assert entailed["1"] == '{"entailed": "3 4"}'
    assert entailed["2"] == '{"entailed": "4 6"}'
    assert {entailed[name] for name in "34567"} == {'{"entailed": ""}'}
