"""Every backbone of the table through a worker: images of different sizes in one unit, rows that agree."""

import numpy as np
import pandas as pd
import pytest
from backbone_table import ROWS, Row
from tiny_study import write_study

from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study_file import load_study
from robust_atp.sweep.worker import Worker

SHORT = ("grid.corruption=[]", "grid.control=[]", "grid.keep=[0.5]", "shard_images=6")


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    row: Row = request.param
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder / "study", row.build(folder / row.name))
    backbone = f"{{id: {folder / row.name}, name: tiny, options: {dict(row.options)}}}"
    arms = (
        "grid.pruner=[divprune, fastv, downsample]"
        if "downsample" not in row.refused
        else "grid.pruner=[tome]"
    )
    study = load_study(path, [*SHORT, f"backbones=[{backbone}]", arms])
    (unit,) = plan_study(study).units
    return Worker(study, study.backbones[0]).run(unit).to_pandas()


def test_masks_have_a_bit_for_every_place_of_the_grids(records: pd.DataFrame) -> None:
    for _, row in records.iterrows():
        places = sum(int(r) * int(c) for r, c in (grid.split("x") for grid in row.grid.split("+")))
        assert row.tokens_total == places
        assert all(len(mask) == -(-places // 8) for mask in row.kept)
    unpruned = records[records.pruner == "none"]
    assert [bits(masks[-1]) for masks in unpruned.kept] == unpruned.tokens_total.tolist()


def test_tokens_in_the_decoder_are_those_kept_and_those_never_dropped(records: pd.DataFrame) -> None:
    before = records[records.pruner != "fastv"]
    fixed = before.tokens_llm - before.kept.map(lambda masks: bits(masks[-1]))
    assert (fixed >= 0).all()
    assert (fixed.groupby(before.image_id).nunique() == 1).all()
    pruned = before.pruner != "none"
    assert (before.tokens_llm - fixed < before.tokens_total)[pruned].all()


def test_costs_rise_with_tokens(records: pd.DataFrame) -> None:
    for _, rows in records.groupby("question_id"):
        ordered = rows.sort_values("tokens_mean")
        assert ordered.prefill_flops.is_monotonic_increasing


def test_images_of_different_shapes_share_a_unit(records: pd.DataFrame) -> None:
    assert records.unit.nunique() == 1
    assert records.image_id.nunique() == 6
    tiled = records.grid.str.contains("+", regex=False).any()
    assert (records.grid.nunique() > 1) == (tiled or records.grid_area.iloc[0] == "whole")


def bits(mask: bytes) -> int:
    return int(np.unpackbits(np.frombuffer(mask, np.uint8)).sum())
