"""Methods that cut before and inside the decoder, on one scale, end to end."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from robust_atp.errors import UserError
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker

StudyWith = Callable[..., Study]
PRUNERS = "grid.pruner=[cls-attention, fastv, {name: fastv, position_policy: compacted}]"


def rows(study: Study) -> pd.DataFrame:
    return Worker(study, study.backbones[0]).run(plan_study(study).units[0]).to_pandas()


def kept(row: pd.Series) -> list[int]:
    return [int(np.unpackbits(np.frombuffer(mask, np.uint8)).sum()) for mask in row.kept]


def test_averaged_over_layers_both_kinds_spend_the_same(study_with: StudyWith) -> None:
    found = rows(study_with(PRUNERS, "grid.keep=[0.5, 0.75]", "grid.budget=mean_tokens"))
    for keep in (0.5, 0.75):
        assert set(found[(found.pruner != "none") & (found.keep == keep)].tokens_mean) == {16 * keep}
    inside = found[found.pruner.str.startswith("fastv")]
    assert (inside.tokens_llm == 16).all()
    # The first of 3 layers sees all 16: (16 + 2 · 4) / 3 = 8 and (16 + 2 · 10) / 3 = 12.
    assert sorted({(row.keep, *kept(row)) for _, row in inside.iterrows()}) == [(0.5, 4), (0.75, 10)]
    assert inside.position_policy.unique().tolist() == ["original", "compacted"]


def test_prefill_operations_are_matched_to_the_nearest_token(study_with: StudyWith) -> None:
    study = study_with(PRUNERS, "grid.keep=0.6", "grid.budget=prefill_flops")
    found = rows(study)
    shape = Worker(study, study.backbones[0])._backbone.shape
    whole = shape.flops([16] * 3)
    (outside,) = set(found[found.pruner == "cls-attention"].tokens_llm)
    costs = [abs(shape.flops([k] * 3) / whole - 0.6) for k in range(1, 17)]
    assert outside == 1 + costs.index(min(costs))
    ((inside,),) = {tuple(kept(row)) for _, row in found[found.pruner == "fastv"].iterrows()}
    costs = [abs(shape.flops([16, k, k]) / whole - 0.6) for k in range(1, 17)]
    assert inside == 1 + costs.index(min(costs))


def test_by_default_a_method_counts_as_its_paper_does(study_with: StudyWith) -> None:
    found = rows(study_with(PRUNERS, "grid.keep=0.25"))
    assert set(
        found[found.pruner != "none"].kept.map(lambda masks: kept(pd.Series({"kept": masks}))[-1])
    ) == {4}


def test_a_budget_below_what_the_first_layers_cost_is_refused_at_once(study_with: StudyWith) -> None:
    study = study_with(PRUNERS, "grid.keep=0.25", "grid.budget=mean_tokens")
    with pytest.raises(
        UserError, match=r"keep 0.25 cannot be reached by pruner 'fastv'.*nearest valid: 0.37"
    ):
        Worker(study, study.backbones[0])


INSIDE = "fastv, pyramiddrop, sparsevlm, adaptinfer, transprune, dart, {name: e-adaprune, ranker: transprune}"


def test_arms_that_share_layers_answer_as_they_would_alone(study_with: StudyWith) -> None:
    study = study_with(f"grid.pruner=[cls-attention, {INSIDE}]", "grid.keep=[0.4, 0.2]")
    together = rows(study)
    assert together.pruner.nunique() == 10
    pd.testing.assert_frame_equal(
        together.filter(regex="^(?!seconds)"), rows(study).filter(regex="^(?!seconds)")
    )
    for name in ("sparsevlm", "transprune"):
        found = rows(study_with(f"grid.pruner=[{name}]", "grid.keep=0.2"))
        one, other = (r[(r.pruner == name) & (r.keep == 0.2)].reset_index() for r in (found, together))
        columns = ["question_id", "prediction", "tokens_mean", "prefill_flops"]
        pd.testing.assert_frame_equal(one[columns], other[columns])
        assert [list(masks) for masks in one.kept] == [list(masks) for masks in other.kept]
        np.testing.assert_allclose(one.first_token_logprob, other.first_token_logprob, atol=1e-4)


def test_the_budget_is_part_of_what_a_study_is(study_with: StudyWith) -> None:
    one, other = (
        plan_study(study_with(f"grid.budget={name}")).units[0].key for name in ("tokens", "mean_tokens")
    )
    assert one != other


def test_an_unknown_budget_is_refused(study_with: StudyWith) -> None:
    with pytest.raises(UserError, match="budget"):
        study_with("grid.budget=mean_token")
