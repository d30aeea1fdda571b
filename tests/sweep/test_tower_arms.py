"""Arms that thin the vision tower, in a study: encoded for themselves, recorded stage by stage."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker


@pytest.fixture
def found(study_with: Callable[..., Study]) -> pd.DataFrame:
    study = study_with(
        "grid.pruner=[heatvit-free, {name: heatvit-free, package: none}, cls-attention, fastv]",
        "grid.keep=[0.5, 1.0]",
        "grid.corruption=[]",
    )
    worker = Worker(study, study.backbones[0])
    return pd.concat([worker.run(unit).to_pandas() for unit in plan_study(study).units[:2]])


def bits(mask: bytes) -> set[int]:
    return set(np.flatnonzero(np.unpackbits(np.frombuffer(mask, np.uint8))).tolist())


def test_every_stage_is_recorded_and_the_package_counts_as_a_token(found: pd.DataFrame) -> None:
    for package, patches in (("heatvit-free", 7), ("heatvit-free(package=none)", 8)):
        rows = found[(found.pruner == package) & (found.keep == 0.5)]
        assert len(rows)
        for stages in rows.kept:
            first, last = (bits(stage) for stage in stages)  # the tiny tower has room for two cuts
            assert len(last) == patches
            assert last < first
        assert rows.tokens_llm.eq(8).all()
        assert rows.tokens_mean.eq(8).all()


def test_what_the_tower_saves_is_recorded(found: pd.DataFrame) -> None:
    cost = found.groupby(["pruner", "keep"]).encode_flops.agg(["min", "max"])
    assert (cost["min"] == cost["max"]).all()
    whole = cost["max"]["none", 1.0]
    for other in ("random", "cls-attention", "fastv"):
        assert cost["max"][other, 0.5] == whole
    assert cost["max"]["heatvit-free", 0.5] < whole
    assert cost["max"]["heatvit-free", 1.0] == whole
    flops = found[found.keep == 0.5].groupby(["pruner", "question_id"]).prefill_flops.max().unstack(0)
    assert (flops["heatvit-free"] == flops["cls-attention"]).all()


def test_a_whole_tower_answers_like_no_pruning(found: pd.DataFrame) -> None:
    whole = found[(found.pruner == "heatvit-free") & (found.keep == 1.0)]
    unpruned = found[found.pruner == "none"]
    assert whole.prediction.tolist() == unpruned.prediction.tolist()
    assert [len(stages) for stages in whole.kept] == [1] * len(whole)


def test_encoding_is_timed_for_those_who_had_it_done(found: pd.DataFrame) -> None:
    seconds = found.groupby(["pruner", "keep"]).seconds_encode.sum()
    assert (seconds > 0).all()
    # Everyone who reads the whole tower's tokens pays the same part of it.
    shared = seconds.drop([("heatvit-free", 0.5), ("heatvit-free(package=none)", 0.5)])
    assert shared.max() - shared.min() < 1e-6 * shared.max()
    assert seconds["heatvit-free", 0.5] != seconds["none", 1.0]
