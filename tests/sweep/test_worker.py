import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from corruptions import corrupt
from robust_atp.data import load_dataset
from robust_atp.interventions import pixel_hash
from robust_atp.records import MEASURED, SCHEMA
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.plan import Intervention, Plan
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker

ROW = ["intervention", "severity", "pruner", "keep", "question_id"]


@pytest.fixture
def small_plan(small_study: Study) -> Plan:
    return plan_study(small_study)


@pytest.fixture
def worker(small_study: Study) -> Worker:
    return Worker(small_study, small_study.backbones[0])


def rows(worker: Worker, plan: Plan, *interventions: str) -> pd.DataFrame:
    units = [unit for unit in plan.units if unit.intervention.name in interventions]
    return pd.concat([worker.run(unit).to_pandas() for unit in units], ignore_index=True)


def test_one_row_per_question_and_arm_in_the_schema(worker: Worker, small_plan: Plan) -> None:
    unit = small_plan.units[0]
    table = worker.run(unit)
    assert table.schema.equals(SCHEMA)
    asked = [e for e in load_dataset(small_plan.study.data[0]).examples() if e.image_id in unit.images]
    found = table.to_pandas()
    expected = [(arm.pruner, arm.keep, e.question_id) for arm in small_plan.arms for e in asked]
    assert len(found) == len(expected)
    # The label of an arm adds its options to the pruner's name.
    assert [
        (p.partition("(")[0], k, q) for p, k, q in found[["pruner", "keep", "question_id"]].values
    ] == expected


def test_every_arm_sees_the_bytes_of_the_same_image(worker: Worker, small_plan: Plan) -> None:
    found = rows(worker, small_plan, "clean", "gaussian_noise")
    assert (found.groupby(["image_id", "intervention", "severity"]).image_hash.nunique() == 1).all()
    assert found.groupby("image_id").image_hash.nunique().eq(3).all()


def test_the_recorded_noise_can_be_drawn_again(worker: Worker, small_plan: Plan) -> None:
    row = rows(worker, small_plan, "gaussian_noise").iloc[-1]
    image = load_dataset(small_plan.study.data[0]).image(row.image_id)
    again = corrupt(image, row.intervention, row.severity, row.noise_seed, f"{row.dataset}/{row.image_id}")
    assert pixel_hash(again) == row.image_hash


def test_masks_hold_as_many_tokens_as_were_kept(worker: Worker, small_plan: Plan) -> None:
    found = rows(worker, small_plan, "clean")
    bits = [int(np.unpackbits(np.frombuffer(kept[0], np.uint8)).sum()) for kept in found.kept]
    assert bits == found.tokens_llm.tolist() == (found.tokens_total * found.keep).astype(int).tolist()
    unpruned = found[found.pruner == "none"]
    assert unpruned.tokens_llm.tolist() == unpruned.tokens_total.tolist()


def test_random_pruning_draws_anew_for_every_condition(worker: Worker, small_plan: Plan) -> None:
    found = rows(worker, small_plan, "clean", "blank")
    of_image = found[(found.pruner == "random") & (found.keep == 0.5)].groupby("image_id")
    kept = of_image.kept.agg(lambda masks: len({mask[0] for mask in masks}))
    assert (kept > 1).all()


def test_a_users_corruption_is_recorded_under_its_own_name(worker: Worker, small_plan: Plan) -> None:
    name = small_plan.study.grid.corruption[1]
    assert ":" in name
    assert rows(worker, small_plan, name).intervention.unique().tolist() == ["darker"]


def test_rows_do_not_depend_on_what_the_worker_did_before(
    worker: Worker, small_study: Study, small_plan: Plan
) -> None:
    forwards = [worker.run(unit) for unit in small_plan.units]
    fresh = Worker(small_study, small_study.backbones[0])
    backwards = [fresh.run(unit) for unit in reversed(small_plan.units)][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        pd.testing.assert_frame_equal(
            one.drop_columns(list(MEASURED)).to_pandas(), other.drop_columns(list(MEASURED)).to_pandas(),
            check_exact=True,
        )  # fmt: skip


def test_an_arm_answers_alike_beside_other_arms(study_with: Callable[..., Study]) -> None:
    alone, together = study_with("grid.pruner=[cls-attention]"), study_with()
    unit = next(u for u in plan_study(alone).units if u.intervention == Intervention("clean"))
    found = [Worker(study, study.backbones[0]).run(unit).to_pandas() for study in (alone, together)]
    one, other = (rows[rows.pruner == "cls-attention"].sort_values(ROW).reset_index() for rows in found)
    assert one.prediction.tolist() == other.prediction.tolist()
    assert [k[0] for k in one.kept] == [k[0] for k in other.kept]
    np.testing.assert_allclose(one.first_token_logprob, other.first_token_logprob, atol=1e-4)


def test_the_position_policy_of_the_study_overrides_the_pruners(study_with: Callable[..., Study]) -> None:
    study = study_with("position_policy=original", "grid.corruption=[]", "grid.control=[]")
    found = Worker(study, study.backbones[0]).run(plan_study(study).units[0]).to_pandas()
    assert found.position_policy.unique().tolist() == ["original"]


def test_group_is_json(worker: Worker, small_plan: Plan) -> None:
    assert {json.dumps(json.loads(group)) for group in rows(worker, small_plan, "clean").group} == {"{}"}


def test_an_arm_that_shrinks_the_image_says_what_it_kept_and_spared(study_with: Callable[..., Study]) -> None:
    study = study_with("grid.pruner=[resize]", "grid.keep=[0.35]")
    found = rows(Worker(study, study.backbones[0]), plan_study(study), "clean")
    resize, whole = found[found.pruner == "resize"], found[found.pruner == "none"]
    assert set(resize.tokens_llm) == set(resize.tokens_mean) == {6}
    assert set(resize.tokens_total) == {16}
    (mask,) = {np.unpackbits(np.frombuffer(masks[-1], np.uint8)).tobytes() for masks in resize.kept}
    assert np.flatnonzero(np.frombuffer(mask, np.uint8)).tolist() == [4, 6, 7, 12, 14, 15]
    assert resize.encode_flops.max() < whole.encode_flops.min()
    assert resize.image_hash.tolist() == whole.image_hash.tolist()
