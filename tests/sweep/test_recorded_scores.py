"""Token scores in the records, for those who ask for them, and nothing else for those who do not."""

import numpy as np
import pyarrow as pa
import pytest

from robust_atp.errors import UserError
from robust_atp.records import MEASURED, SCHEMA, columns, schema
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.plan import Plan
from robust_atp.sweep.recording import with_scores
from robust_atp.sweep.worker import Worker

PRUNERS = "grid.pruner=[cls-attention, {name: atp, alpha: 0.25}, divprune, uniform-grid, fastv]"


@pytest.fixture(scope="module")
def tables(tiny_llava_folder, tmp_path_factory) -> dict[str, pa.Table]:
    """One unit of the same study with and without its scores."""
    from tiny_study import write_study

    from robust_atp.sweep.study_file import load_study

    file = write_study(tmp_path_factory.mktemp("scores"), tiny_llava_folder)
    found = {}
    for name, settings in {"without": (), "with": ("record=scores",)}.items():
        study = load_study(file, (PRUNERS, *settings))
        unit = next(u for u in plan_study(study).units if u.intervention.name == "gaussian_noise")
        found[name] = Worker(study, study.backbones[0]).run(unit)
    return found


def keys(plan: Plan) -> list[str]:
    return [unit.key for unit in plan.units]


def test_the_other_columns_stay_as_they_are(tables):
    assert tables["with"].schema.equals(schema(["scores"]))
    assert tables["without"].schema.equals(SCHEMA)
    ignored = {*MEASURED, "unit", "scores"}
    same = [name for name in SCHEMA.names if name not in ignored]
    assert tables["with"].select(same).equals(tables["without"].select(same))


def test_scores_are_there_for_methods_that_rank_all_tokens_at_one_place(tables):
    frame = tables["with"].to_pandas()
    has = frame.groupby("pruner")["scores"].agg(lambda scores: scores.notna().all()).to_dict()
    none = frame.groupby("pruner")["scores"].agg(lambda scores: scores.notna().any()).to_dict()
    assert has == none  # all of an arm's rows or none
    assert has == {
        "none": False, "random": True, "cls-attention": True, "atp(alpha=0.25)": True,
        "divprune": False, "uniform-grid": False, "fastv": False,
    }  # fmt: skip


def test_the_best_scores_are_those_of_the_kept_tokens(tables):
    frame = tables["with"].to_pandas().dropna(subset="scores")
    assert set(frame["pruner"]) == {"random", "cls-attention", "atp(alpha=0.25)"}
    for row in frame.itertuples():
        kept = np.flatnonzero(np.unpackbits(np.frombuffer(row.kept[-1], np.uint8), count=row.tokens_total))
        best = np.argsort(-row.scores, kind="stable")[: len(kept)]
        assert sorted(best) == kept.tolist()


def test_only_asking_changes_the_keys(study_with):
    plain = plan_study(study_with())
    assert plan_study(study_with("record=[]")).identity == plain.identity
    asked = plan_study(study_with("record=scores"))
    assert set(keys(asked)).isdisjoint(keys(plain))
    assert asked.identity["columns"] == [*plain.identity["columns"], "scores"]


def test_what_cannot_be_recorded_is_named(study_with):
    with pytest.raises(UserError, match="record"):
        study_with("record=attention")


def test_the_listing_has_the_column():
    assert list(columns()) == [*SCHEMA.names, "scores"]


def test_rows_beyond_the_arms_have_no_scores():
    rows = pa.table({"row": [0, 1, 2]})
    assert with_scores(rows, [None]).column("scores").to_pylist() == [None, None, None]
