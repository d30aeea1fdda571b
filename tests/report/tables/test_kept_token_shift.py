"""How far kept tokens move, against the definitions on index sets, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import GRID, N, Truth, synthetic_records

from robust_atp.report.figures.overlay import unpack
from robust_atp.report.tables.kept_pairs import grids_of, kept_pairs, unpacked
from robust_atp.report.tables.kept_token_shift import kept_token_shift
from robust_atp.report.tables.pruned_arms import pruned_arms
from robust_atp.report.tables.quantities import COLUMNS
from robust_atp.stability import centroid_shift, emd, kuncheva, nogueira

CELL = ["pruner", "intervention", "severity", "quantity"]


@pytest.fixture(scope="module")
def frame():
    truth = Truth(half_gap={"phantom": 0.0}, drop_per_severity={"fog": 0.04})
    return synthetic_records(truth, images=12, questions=2, severities=(1, 5)).to_pandas()


@pytest.fixture(scope="module")
def table(frame):
    return kept_token_shift(frame)


def values(table):
    return table.set_index(CELL)["value"]


def sets_of(frame, pruner, intervention, severity):
    """Kept indices by image, and the object patches."""
    rows = frame[(frame["pruner"] == pruner) & (frame["intervention"] == intervention)]
    rows = rows[rows["severity"] == severity].drop_duplicates("image_id").set_index("image_id")
    kept = {image: np.flatnonzero(unpack(masks[-1], N)) for image, masks in rows["kept"].items()}
    objects = {image: np.flatnonzero(unpack(mask, N)) for image, mask in rows["object_patches"].items()}
    return kept, objects


def masks(kept, total=N):
    bits = np.zeros(total, bool)
    bits[list(kept)] = True
    return [np.packbits(bits).tobytes()]


def with_sets(frame, pruner, choose):
    """The frame with what ``pruner`` keeps replaced by ``choose(image_id, intervention, severity)``."""
    rows = frame["pruner"] == pruner
    chosen = [
        masks(choose(*row)) for row in frame.loc[rows, ["image_id", "intervention", "severity"]].to_numpy()
    ]
    return frame.assign(kept=frame["kept"].mask(rows, pd.Series(chosen, index=frame.index[rows])))


@pytest.mark.parametrize("pruner", ["atp", "random"])
def test_every_quantity_is_the_mean_of_its_definition(frame, table, pruner):
    clean, objects = sets_of(frame, pruner, "clean", 0)
    bad, _ = sets_of(frame, pruner, "fog", 5)
    grid = (GRID, GRID)
    pairs = [(clean[image], bad[image], objects[image]) for image in clean]
    expected = {
        "centroid_shift": [centroid_shift(a, b, grid) for a, b, _ in pairs],
        "emd": [emd(a, b, grid) for a, b, _ in pairs],
        "kuncheva": [kuncheva(a, b, N) for a, b, _ in pairs],
        "object_retention": [len(set(a) & set(b) & set(o)) / len(set(a) & set(o)) for a, b, o in pairs],
    }
    found = values(table)
    for quantity, each in expected.items():
        assert found[pruner, "fog", 5, quantity] == pytest.approx(np.mean(each)), quantity


def test_table_has_intervals_counts_and_random_pruning_beside(table):
    assert list(table.columns) == list(COLUMNS)
    undefined = table["value"].isna()
    assert set(table["quantity"][undefined]) == {"tolerant_overlap"}  # 49 of 196 touch everywhere
    assert table["note"][undefined].str.startswith("random sets of these sizes").all()
    table = table[~undefined]
    assert set(table["n"]) == {24}
    assert set(table["images"]) == {12}
    assert (table["lo"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["hi"] + 1e-9).all()
    random = values(table).xs("random")
    beside = [random[row.intervention, row.severity, row.quantity] for row in table.itertuples()]
    assert table["random"].tolist() == beside
    assert not table["quantity"].str.startswith("tokens").any()  # budgets are fixed


def test_equal_sets_do_not_move(frame):
    table = values(
        kept_token_shift(with_sets(frame, "atp", lambda image, *_: range(int(image), 9 + int(image))))
    )
    moved = table.xs("atp").unstack("quantity")
    assert (moved[["centroid_shift", "emd", "transport_bound", "spread_change"]] == 0).all(axis=None)
    assert moved["kuncheva"].to_numpy() == pytest.approx(1)
    assert moved["tolerant_overlap"].to_numpy() == pytest.approx(1)


def test_order_of_rows_and_names_of_images_change_nothing(frame, table):
    shuffled = frame.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(kept_token_shift(shuffled), table, check_exact=True)
    renamed = kept_token_shift(frame.assign(image_id="x" + frame["image_id"]))
    pd.testing.assert_series_equal(values(renamed), values(table))


def test_turning_the_grid_changes_nothing(frame, table):
    def turned(packed):
        return masks(np.flatnonzero(unpack(packed, N).reshape(GRID, GRID).T))[0]

    other = frame.assign(
        kept=[[turned(mask) for mask in each] for each in frame["kept"]],
        object_patches=frame["object_patches"].map(turned),
    )
    np.testing.assert_allclose(kept_token_shift(other)["value"], table["value"], atol=1e-12)


def test_repeated_questions_and_seeds_do_not_multiply_questions(frame, table):
    again = frame[frame["severity"] > 0].assign(noise_seed=1)
    found = kept_token_shift(pd.concat([frame, again]))
    same = found[found["quantity"] != "nogueira"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, table)


def test_nogueira_is_that_of_the_seeds_of_each_question(frame):
    rng = np.random.default_rng(0)
    draws = []
    for seed in range(3):
        one = with_sets(frame, "atp", lambda *_: rng.permutation(N)[: rng.integers(30, 60)])
        draws.append(one[one["severity"] > 0].assign(noise_seed=seed, image_hash=f"pixels {seed}"))
    table = kept_token_shift(pd.concat([frame[frame["severity"] == 0], *draws]))
    drawn = pd.concat(draws)
    drawn = drawn[(drawn["pruner"] == "atp") & (drawn["severity"] == 1)]
    rows = [
        nogueira(np.stack([unpack(kept[-1], N) for kept in one["kept"]])).value
        for _, one in drawn.groupby("question_id")
    ]
    row = table.query("pruner == 'atp' and severity == 1 and quantity == 'nogueira'")
    assert row["value"].to_numpy() == pytest.approx([np.mean(rows)])
    assert row["note"].tolist() == [""]


def test_seeds_of_a_corruption_that_draws_nothing_have_no_nogueira(frame):
    again = frame[frame["severity"] > 0].assign(noise_seed=1)
    table = kept_token_shift(pd.concat([frame, again])).query("quantity == 'nogueira'")
    assert table["value"].isna().all()
    assert table["note"].str.startswith("every noise seed gives the same image").all()


def test_a_budget_that_follows_the_image_drifts_and_has_no_measure_of_equal_sizes(frame):
    smaller = with_sets(frame, "atp", lambda image, name, severity: range(40 - severity))
    table = kept_token_shift(smaller).query("pruner == 'atp' and severity == 5").set_index("quantity")
    found, notes = table["value"], table["note"]
    assert found["tokens_change"] == -5
    assert found["tokens_relative_change"] == pytest.approx(-5 / 40)
    assert found["transport_bound"] > 0
    assert found[["emd", "kuncheva"]].isna().all()
    assert notes[["emd", "kuncheva"]].str.startswith("the sets differ in size").all()


def test_keeping_everything_is_left_out(frame):
    everything = with_sets(frame, "atp", lambda *_: range(N))
    assert set(kept_token_shift(everything)["pruner"]) == {"random"}
    assert kept_token_shift(frame[frame["pruner"] == "none"]).empty


def test_nothing_kept_is_undefined_and_says_so(frame):
    """Of merged tokens that are made anew inside a model no place is recorded."""
    empty = with_sets(frame, "atp", lambda image, name, severity: range(0 if severity else 9))
    table = kept_token_shift(empty).query("pruner == 'atp' and severity == 5").set_index("quantity")
    undefined = ["centroid_shift", "emd", "transport_bound", "tolerant_overlap", "spread_change"]
    assert table["value"][undefined].isna().all()
    assert table["note"][undefined].str.contains("empty").all()
    assert table["value"]["tokens_relative_change"] == -1


def test_one_image_has_values_without_intervals(frame):
    table = kept_token_shift(frame[frame["image_id"] == "3"])
    assert table["value"].notna().sum() == 6 * len(table) / 7  # all but tolerant overlap
    assert table["lo"].isna().all()


def test_queries_of_a_resampler_have_no_place(frame, table):
    found = kept_token_shift(frame.assign(prunes="queries", grid=f"1x{N}"))
    spatial = ["centroid_shift", "emd", "spread_change", "tolerant_overlap", "transport_bound"]
    rows = found["quantity"].isin(spatial)
    assert found.loc[rows, "value"].isna().all()
    assert set(found.loc[rows, "note"]) == {"queries have no place in the image"}
    assert found.loc[~rows, "value"].to_numpy() == pytest.approx(table.loc[~rows, "value"].to_numpy())


def test_a_tiled_image_is_the_mean_of_its_grids(frame):
    """An overview whose tokens stay comes before tiles whose tokens move."""
    overview = np.packbits(np.arange(16 * GRID) < 9).tobytes()
    widened = frame.assign(
        kept=[[widen(masks[-1])] for masks in frame["kept"]],
        object_patches=frame["object_patches"].map(widen),
        grid=f"{GRID}x16",
        tokens_total=16 * GRID,
    )
    tiled = widened.assign(
        kept=[[overview + masks[-1]] for masks in widened["kept"]],
        object_patches=[overview + mask for mask in widened["object_patches"]],
        grid=f"{GRID}x16+{GRID}x16",
        tokens_total=2 * 16 * GRID,
    )
    found, alone = values(kept_token_shift(tiled)), values(kept_token_shift(widened))
    for quantity in ("centroid_shift", "emd", "transport_bound"):
        assert found["atp", "fog", 5, quantity] == pytest.approx(alone["atp", "fog", 5, quantity] / 2)


def test_no_masks_no_object_retention(frame):
    table = kept_token_shift(frame.assign(object_patches=None))
    assert "object_retention" not in set(table["quantity"])
    assert len(table)


def test_no_records_give_an_empty_table_with_its_columns(frame):
    assert list(kept_token_shift(frame.head(0)).columns) == list(COLUMNS)


def test_grids_and_bits():
    assert grids_of("24x24+36x48") == [(24, 24), (36, 48)]
    bits = np.random.default_rng(0).random((3, 13)) < 0.5
    packed = pd.Series([*[row.tobytes() for row in np.packbits(bits, axis=1)], None])
    np.testing.assert_array_equal(unpacked(packed, 13), [*bits, np.zeros(13, bool)])


def test_pruner_names_are_quoted(frame):
    renamed = frame.assign(pruner=frame["pruner"].replace("atp", "o'atp(alpha=0.1)"))
    named = [arm for arm in pruned_arms(renamed) if arm.arm.pruner.startswith("o'")]
    assert len(kept_pairs(renamed, named[0])) == 24


def widen(packed):
    """A 14 x 14 mask in the left columns of a grid of 14 x 16, so that a second grid starts at a byte."""
    wide = np.zeros((GRID, 16), bool)
    wide[:, :GRID] = unpack(packed, N).reshape(GRID, GRID)
    return np.packbits(wide).tobytes()
