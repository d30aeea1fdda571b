"""Kept-token stability, against the definitions on index sets."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import N, Truth, synthetic_records

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.overlay import unpack
from robust_atp.report.tables.kept_tokens import kept_token_stability
from robust_atp.stability import jaccard, kappa


def test_kappa_and_jaccard_equal_the_definitions_on_index_sets(records, analysis: Analysis):
    frame = records.to_pandas()
    rows = frame[(frame["backbone"] == "phantom") & (frame["pruner"] == "random")].drop_duplicates(
        ["image_id", "intervention", "severity"]
    )
    sets = {
        key: [np.flatnonzero(unpack(kept[0], N)) for kept in block.sort_values("image_id")["kept"]]
        for key, block in rows.groupby(["intervention", "severity"])
    }
    pairs = list(zip(sets["clean", 0], sets["fog", 3], strict=True))
    table = analysis.kept_token_stability.set_index(["backbone", "pruner", "intervention", "severity"])
    found = table.xs(("phantom", "random", "fog", 3))
    assert found["kappa"] == pytest.approx(np.mean([kappa(a, b, N) for a, b in pairs]))
    assert found["jaccard"] == pytest.approx(np.mean([jaccard(a, b) for a, b in pairs]))
    assert found["jaccard_chance"] == pytest.approx(found["jaccard"], abs=0.02)


def test_swapping_m_of_k_tokens_gives_kuncheva(analysis: Analysis, truth: Truth):
    table = analysis.kept_token_stability
    atp = table[table["pruner"] == "atp"]
    K = 49
    shared = K - truth.swapped_per_severity * atp["severity"].astype(int)
    assert atp["kappa"].to_numpy() == pytest.approx(((shared * N - K * K) / (K * (N - K))).to_numpy())


def test_another_image_is_the_null(analysis: Analysis):
    atp = analysis.kept_token_stability.query("pruner == 'atp'")
    assert atp["kappa_other"].abs().max() < 0.03
    assert (atp["content"] - atp["kappa"]).abs().max() < 0.03


def test_unpruned_has_no_stability(analysis: Analysis):
    assert set(analysis.kept_token_stability["pruner"]) == {"random", "atp"}


def test_fixed_positions_are_image_independent_not_stable(records):
    frame = records.to_pandas()
    atp = frame["pruner"] == "atp"
    frame.loc[atp, "kept"] = pd.Series([frame.loc[atp, "kept"].iloc[0]] * len(frame), index=frame.index)
    table = kept_token_stability(frame).query("pruner == 'atp'")
    assert (table["kappa"] == 1).all()
    assert (table["kappa_other"] == 1).all()
    assert table["content"].isna().all()
    assert set(table["note"]) == {"image-independent"}


def test_one_image_has_kappa_but_no_other_image():
    table = kept_token_stability(synthetic_records(images=1))
    assert table["kappa"].notna().all()
    assert table["kappa_other"].isna().all()


def test_keeping_everything_is_undefined_and_left_out(records):
    everything = records.to_pandas().query("pruner == 'none'").assign(pruner="atp")
    assert kept_token_stability(everything).empty


def test_images_of_different_grids_are_compared_with_images_of_their_own(records):
    """Half of the images get a grid of twice as many places, whose second half is never kept."""
    frame = records.to_pandas()
    larger = frame["image_id"].astype(int) % 2 == 1
    frame.loc[larger, "kept"] = frame.loc[larger, "kept"].map(lambda masks: [padded(mask) for mask in masks])
    frame.loc[larger, "tokens_total"] = 2 * N
    frame.loc[larger, "grid"] = "twice"
    mixed = kept_token_stability(frame).set_index(["backbone", "pruner", "intervention", "severity"])
    apart = [
        kept_token_stability(part).set_index(["backbone", "pruner", "intervention", "severity"])
        for part in (frame[larger], frame[~larger])
    ]
    share = float(larger.mean())
    for column in ("kappa", "kappa_other"):
        expected = share * apart[0][column] + (1 - share) * apart[1][column]
        pd.testing.assert_series_equal(mixed[column], expected[mixed.index], check_exact=False, rtol=1e-9)


def padded(mask):
    bits = np.unpackbits(np.frombuffer(mask, np.uint8), count=N)
    return np.packbits(np.concatenate([bits, np.zeros(N, np.uint8)])).tobytes()
