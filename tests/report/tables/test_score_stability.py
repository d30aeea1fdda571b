"""Stability of scores as recorded, against SciPy on single images."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import iqr, spearmanr, weightedtau

from robust_atp.report.tables.quantities import COLUMNS
from robust_atp.report.tables.score_stability import score_stability
from robust_atp.stability import rbo, rbo_chance, rbo_persistence

N, K, IMAGES = 36, 9, 8
RNG = np.random.default_rng(0)
CLEAN = {str(image): np.float32(RNG.random(N)) for image in range(IMAGES)}
BAD = {image: np.float32(scores + RNG.normal(0, 0.2, N)) for image, scores in CLEAN.items()}


def row(pruner, image, question, condition, scores, kept):
    return {
        "backbone": "b", "dataset": "d", "split": "s", "pruner": pruner, "keep": K / N,
        "position_policy": "original", "intervention": condition[0], "severity": condition[1], "noise_seed": 0,
        "grid": "6x6", "tokens_total": N, "image_id": image, "question_id": f"{image}/{question}",
        "kept": [np.packbits(np.isin(np.arange(N), kept)).tobytes()], "scores": scores,
    }  # fmt: skip


def best(scores):
    return np.argsort(-scores, kind="stable")[:K]


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    rows = []
    for image in CLEAN:
        for question in range(2):
            for condition, scores in ((("clean", 0), CLEAN[image]), (("fog", 3), BAD[image])):
                rows.append(row("atp", image, question, condition, scores, best(scores)))
                rows.append(row("none", image, question, condition, None, range(N)))
                rows.append(row("divprune", image, question, condition, None, range(K)))
    for image in CLEAN:
        for condition in (("clean", 0), ("fog", 3)):
            scores = np.float32(rng.random(N))
            rows += [row("random", image, question, condition, scores, best(scores)) for question in range(2)]
    return pd.DataFrame(rows)


def test_every_quantity_is_the_mean_of_its_definition(frame):
    table = score_stability(frame)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["pruner"]) == {"atp", "random"}
    assert set(table["n"]) == {2 * IMAGES}
    found = table[table["pruner"] == "atp"].set_index(["intervention", "quantity"])["value"]
    pairs = [(CLEAN[image].astype(float), BAD[image].astype(float)) for image in CLEAN]
    p = rbo_persistence(K)
    chance = rbo_chance(N, p)
    expected = {
        ("fog", "spearman"): [spearmanr(a, b).statistic for a, b in pairs],
        ("fog", "weighted_tau"): [weightedtau(a, b).statistic for a, b in pairs],
        ("fog", "rbo"): [(rbo(a, b, p) - chance) / (1 - chance) for a, b in pairs],
        ("fog", "boundary_margin"): [(np.sort(b)[-K] - np.sort(b)[-K - 1]) / iqr(b) for _, b in pairs],
        ("clean", "boundary_margin"): [(np.sort(a)[-K] - np.sort(a)[-K - 1]) / iqr(a) for a, _ in pairs],
    }
    assert set(found.index) == set(expected)
    for key, each in expected.items():
        assert found[key] == pytest.approx(np.mean(each)), key


def test_equal_scores_are_perfectly_stable_and_random_ones_not(frame):
    same = frame.assign(
        scores=[
            CLEAN[i] if p == "atp" else s for i, p, s in frame[["image_id", "pruner", "scores"]].to_numpy()
        ]
    )
    table = score_stability(same).query("intervention == 'fog' and quantity != 'boundary_margin'")
    assert table.query("pruner == 'atp'")["value"].to_numpy() == pytest.approx(1)
    assert (table["random"].abs() < 0.35).all()


def test_order_of_rows_changes_nothing(frame):
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(score_stability(shuffled), score_stability(frame), check_exact=True)


def test_a_selection_that_passes_over_high_scores_has_no_boundary(frame):
    other = frame["pruner"] == "atp"
    worst = [
        np.packbits(np.isin(np.arange(N), np.argsort(s)[:K])).tobytes() for s in frame.loc[other, "scores"]
    ]
    kept = frame["kept"].mask(other, pd.Series([[mask] for mask in worst], index=frame.index[other]))
    table = score_stability(frame.assign(kept=kept)).query("pruner == 'atp'").set_index("quantity")
    assert table["value"][["boundary_margin"]].isna().all()
    assert table["note"][["boundary_margin"]].str.startswith("the tokens kept are not").all()
    assert table["value"][["spearman", "rbo"]].notna().all()


def test_constant_scores_have_no_ranking(frame):
    flat = frame.assign(scores=[None if s is None else np.ones(N, np.float32) for s in frame["scores"]])
    table = score_stability(flat).set_index("quantity")
    assert table["value"][["spearman", "weighted_tau", "boundary_margin"]].isna().all()
    assert table["note"][["spearman", "weighted_tau"]].str.contains("all equal").all()


def test_studies_without_scores_give_an_empty_table(frame):
    for without in (frame[frame["pruner"] == "divprune"], frame.drop(columns="scores")):
        table = score_stability(without)
        assert table.empty
        assert list(table.columns) == list(COLUMNS)
