"""Tables of many cells: how they are cut up for memory and speed must not show in the numbers."""

import numpy as np
import pandas as pd
import pytest

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.stats import bootstrap, cell_means, maxt, multiple

KEYS = ["dataset", "split", "arm", "kind"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Two data sets; each image has a few of seven kinds of question, ``rare`` on two images only."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "dataset": np.repeat(["a", "b"], 300),
            "split": "val",
            "arm": rng.choice(["x", "y"], 600),
            "kind": rng.choice(list("pqrstu"), 600),
            "image_id": rng.integers(0, 40, 600).astype(str),
            "num": rng.random(600),
            "den": rng.integers(1, 4, 600),
        }
    )
    return pd.concat([frame, frame[:2].assign(kind="rare")], ignore_index=True)


def test_sums_are_those_of_a_pivot(rows: pd.DataFrame):
    one = rows[rows["dataset"] == "a"]
    sums = ImageSums.of(one, KEYS)
    expected = one.pivot_table(index="image_id", columns=KEYS, values="num", aggfunc="sum", fill_value=0)
    np.testing.assert_allclose(sums.num, expected.to_numpy(), atol=1e-8)  # sums are rounded
    assert [tuple(cell) for cell in sums.cells.to_numpy()] == list(expected.columns)


@pytest.mark.parametrize("apart", [["kind"], ["arm"], ["arm", "kind"]])
def test_cells_that_are_summarised_apart_are_drawn_together(rows: pd.DataFrame, apart: list[str]):
    whole = per_dataset(rows, KEYS, ImageSums.table)
    pd.testing.assert_frame_equal(per_dataset(rows, KEYS, ImageSums.table, apart=apart), whole, rtol=1e-12)


def test_text_as_categories_gives_the_same_table(rows: pd.DataFrame):
    coded = rows.astype(dict.fromkeys((*KEYS, "image_id"), "category"))
    pd.testing.assert_frame_equal(
        per_dataset(coded, KEYS, ImageSums.table), per_dataset(rows, KEYS, ImageSums.table)
    )


def test_cells_on_few_images_have_the_replicates_of_the_whole_product():
    rng = np.random.default_rng(1)
    den = rng.integers(0, 3, (50, 12)) * (rng.random((50, 12)) < np.linspace(0.02, 1, 12))
    den[:, 5] = den[:, 4]
    num = rng.random((50, 12)) * den
    num[0, 3], num[:, 0], den[:, 0] = np.nan, 0, 0
    weights = np.random.default_rng(7).multinomial(50, [1 / 50] * 50, size=30)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (weights @ num) / (weights @ den)
    np.testing.assert_allclose(cell_means(num, den, draws=30, rng=7).draws, expected)


def test_remembered_draws_are_those_that_would_be_drawn_again(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(2)
    num, den = rng.normal(size=(30, 4)), np.ones((30, 4))
    remembered = cell_means(num, den, draws=20, rng=3).draws, maxt(num, flips=200, rng=3)
    for module in (bootstrap, multiple):
        monkeypatch.setattr(module, "_ENTRIES_REMEMBERED", 0)
        monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 90)
    np.testing.assert_allclose(cell_means(num, den, draws=20, rng=3).draws, remembered[0])
    np.testing.assert_allclose(maxt(num, flips=200, rng=3), remembered[1])
