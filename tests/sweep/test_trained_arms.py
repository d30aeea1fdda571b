"""Pruners with weights of their own, in a study."""

from collections.abc import Callable
from pathlib import Path

import pytest
import untrained_weights

from robust_atp.backbones.llava import Llava
from robust_atp.errors import UserError
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker

StudyWith = Callable[..., Study]


def test_an_arm_keeps_as_many_as_each_question_asks_for(
    study_with: StudyWith, tiny_backbone: Llava, tmp_path: Path
) -> None:
    file = untrained_weights.write("atp-llava", tiny_backbone, tmp_path)
    study = study_with(f"grid.pruner=[{{name: atp-llava, weights: {file}}}]", "grid.keep=0.4")
    unit = plan_study(study).units[0]
    rows = Worker(study, study.backbones[0]).run(unit).to_pandas()
    trained = rows[rows.pruner.str.startswith("atp-llava")]
    assert (trained.tokens_llm == 16).all()
    assert trained.tokens_mean.nunique() > 1
    assert trained.position_policy.unique().tolist() == ["original"]


def test_weights_trained_anew_make_other_units(
    study_with: StudyWith, tiny_backbone: Llava, tmp_path: Path
) -> None:
    file = untrained_weights.write("atp-llava", tiny_backbone, tmp_path)
    study = study_with(f"grid.pruner=[{{name: atp-llava, weights: {file}}}]")
    before, again = plan_study(study), plan_study(study)
    assert before.units == again.units
    file.write_bytes(file.read_bytes() + b" ")
    after = plan_study(study)
    assert not {unit.key for unit in before.units} & {unit.key for unit in after.units}
    assert before.identity != after.identity


def test_a_backbone_without_weights_is_refused_before_the_first_unit(study_with: StudyWith) -> None:
    study = study_with("grid.pruner=[atp-llava]")
    with pytest.raises(
        UserError, match="'atp-llava' is trained for each backbone anew and has no weights for"
    ):
        Worker(study, study.backbones[0])
