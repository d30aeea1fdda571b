"""Coupling of token change and answer flips: planted, absent, and explained by the damage of the image."""

import numpy as np
import pandas as pd
import pytest

from robust_atp.report.illustrations.coupling import coupling as draw
from robust_atp.report.tables.coupling import COLUMNS, coupling
from robust_atp.stability import kappa

N, IMAGES, QUESTIONS = 36, 40, 3


def records(flips, seed=0, keep=9):
    """Records of 3 cells in which ``flips(change, damage, rng)`` gives (pruned flips, unpruned flips).

    ``change`` is the share of kept tokens exchanged, ``damage`` a number in [0, 1] of image and cell.
    """
    rng = np.random.default_rng(seed)
    rows = []

    def row(pruner, image, question, condition, kept, flipped):
        bits = np.isin(np.arange(N), kept)
        rows.append(
            {
                "backbone": "b", "dataset": "d", "split": "s", "pruner": pruner,
                "keep": 1.0 if pruner == "none" else keep / N, "position_policy": "original",
                "intervention": condition[0], "severity": condition[1], "noise_seed": 0, "grid": "6x6",
                "tokens_total": N, "image_id": str(image), "question_id": f"{image}/{question}",
                "kept": [np.packbits(bits).tobytes()], "prediction": "no" if flipped else "yes",
            }
        )  # fmt: skip

    for image in range(IMAGES):
        order = rng.permutation(N)
        for cell, condition in enumerate([("clean", 0), ("fog", 1), ("fog", 3), ("fog", 5)]):
            damage = rng.random()
            swapped = rng.integers(0, keep + 1) if cell else 0
            kept = order[swapped : swapped + keep]
            for question in range(QUESTIONS):
                own, whole = flips(swapped / keep, damage, rng) if cell else (False, False)
                row("atp", image, question, condition, kept, own)
                row("none", image, question, condition, np.arange(N), whole)
    return pd.DataFrame(rows)


def only(table):
    assert len(table) == 1
    return table.iloc[0]


def test_a_planted_coupling_is_found_and_its_placebo_is_not():
    row = only(coupling(records(lambda change, damage, rng: (rng.random() < change, rng.random() < 0.3))))
    assert row["auc"] > 0.7
    assert row["p"] < 0.01
    assert row["placebo_lo"] < 0.5 < row["placebo_hi"]
    assert row["difference_lo"] > 0
    assert (row["cells"], row["n"], row["images"]) == (3, 3 * IMAGES * QUESTIONS, IMAGES)


def test_flips_that_have_nothing_to_do_with_tokens_are_not_coupled():
    row = only(coupling(records(lambda change, damage, rng: (rng.random() < 0.3, rng.random() < 0.3))))
    assert row["auc_lo"] < 0.5 < row["auc_hi"]
    assert row["difference_lo"] < 0 < row["difference_hi"]
    assert row["p"] > 0.05


def test_tokens_that_change_where_the_image_is_damaged_are_not_the_cause():
    """Both models flip on what changes most: the AUC is high, and the placebo takes all of it back."""
    row = only(coupling(records(lambda change, damage, rng: (rng.random() < change, rng.random() < change))))
    assert row["auc_lo"] > 0.6
    assert row["placebo_lo"] > 0.6
    assert row["difference_lo"] < 0 < row["difference_hi"]


def test_the_change_of_a_cell_is_one_less_kappa():
    frame = records(lambda change, damage, rng: (rng.random() < change, rng.random() < 0.3))
    frame = frame[frame["severity"].isin([0, 5])]
    found = only(coupling(frame))
    sets = frame[frame["pruner"] == "atp"].set_index(["question_id", "severity"])
    kept = sets["kept"].map(
        lambda masks: np.flatnonzero(np.unpackbits(np.frombuffer(masks[0], np.uint8))[:N])
    )
    change = np.array(
        [1 - kappa(kept[q, 0], kept[q, 5], N) for q, _ in sets.xs(5, level=1, drop_level=False).index]
    )
    flip = sets["prediction"].xs(5, level="severity").to_numpy() == "no"
    above = (change[flip][:, None] > change[~flip]) + 0.5 * np.isclose(change[flip][:, None], change[~flip])
    assert found["auc"] == pytest.approx(above.mean())


def test_order_of_rows_changes_nothing():
    frame = records(lambda change, damage, rng: (rng.random() < change, rng.random() < 0.3))
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(coupling(shuffled), coupling(frame), check_exact=True)


def test_noise_seeds_are_cells_and_not_images():
    frame = records(lambda change, damage, rng: (rng.random() < change, rng.random() < 0.3))
    twice = only(coupling(pd.concat([frame, frame[frame["severity"] > 0].assign(noise_seed=1)])))
    once = only(coupling(frame))
    assert twice["cells"] == 6
    assert twice["auc_lo"] == pytest.approx(once["auc_lo"])


def test_fixed_tokens_and_fixed_answers_have_nothing_to_couple():
    frame = records(lambda change, damage, rng: (rng.random() < 0.5, rng.random() < 0.3))
    first = frame.loc[frame["pruner"] == "atp", "kept"].iloc[0]
    fixed = frame.assign(
        kept=[first if p == "atp" else k for p, k in zip(frame["pruner"], frame["kept"], strict=True)]
    )
    row = only(coupling(fixed))
    assert row["auc"] == 0.5
    assert row["note"].startswith("within each cell all token sets change alike")
    never = only(coupling(frame.assign(prediction="yes")))
    assert np.isnan(never["auc"])
    assert never["note"].startswith("no cell has both")


def test_arms_that_keep_everything_are_left_out():
    frame = records(lambda change, damage, rng: (rng.random() < 0.5, False))
    frame = frame.assign(kept=[[np.packbits(np.ones(N, bool)).tobytes()]] * len(frame))
    assert coupling(frame).empty
    assert list(coupling(frame).columns) == list(COLUMNS)


def test_the_figure_leaves_out_arms_that_have_nothing_to_couple(analysis):
    """Of the planted study ATP exchanges equally many tokens on every image: only random pruning is drawn."""
    drawn = list(draw(analysis))
    assert {illustration.kind for illustration in drawn} == {"coupling"}
    assert len(drawn) == analysis.coupling["backbone"].nunique()
    for illustration in drawn:
        labels = [label.get_text() for label in illustration.axes[0].get_yticklabels()]
        assert labels == ["random 25 %"]
        assert illustration.basis.startswith("n = 1,200 questions on 50 images")
