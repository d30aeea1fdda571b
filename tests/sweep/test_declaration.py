"""What a study declares is recorded before it runs and decides none of its records."""

import json
from collections.abc import Callable
from typing import get_args

import pytest

from robust_atp.declaration import ENDPOINTS, Declaration, Endpoint
from robust_atp.errors import UserError
from robust_atp.sweep.declared import FILE, Declared
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.results import open_results
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study

StudyWith = Callable[..., Study]


def test_endpoints_are_a_closed_list_with_words_for_each():
    assert set(ENDPOINTS) == set(get_args(Endpoint))


def test_a_study_declares_nothing_by_itself(small_study: Study):
    assert small_study.analysis is None


def test_what_is_declared_decides_no_record(study_with: StudyWith):
    plain, declared = plan_study(study_with()), plan_study(study_with("analysis.margin=0.02"))
    assert declared.study.analysis == Declaration(margin=0.02)
    assert declared.identity == plain.identity
    assert declared.units == plain.units


def test_the_declaration_of_the_first_run_stays(study_with: StudyWith, tmp_path):
    store = Store(tmp_path / "out")
    store.prepare(plan_study(study_with("analysis.margin=0.02")))
    first = store.declared()
    store.prepare(plan_study(study_with("analysis.margin=0.05", "analysis.draws=500")))
    assert store.declared() == open_results(store.folder).declared() == first
    results = open_results(store.folder)
    assert results.study.analysis == Declaration(margin=0.05, draws=500)
    assert first is not None
    assert first.deviations(Declaration(margin=0.05, draws=500)) == [
        "Declared and then changed: analysis.draws: 2000 -> 500.",
        "Declared and then changed: analysis.margin: 0.02 -> 0.05.",
    ]
    assert first.deviations(Declaration(margin=0.02)) == []


def test_what_was_declared_late_or_never_is_a_deviation():
    late, never = Declared.now(Declaration(), units_before=3), Declared.now(None, units_before=0)
    assert late.deviations(Declaration()) == ["The analysis was declared when 3 units had been answered."]
    assert never.deviations(Declaration()) == []
    (set_after,) = never.deviations(Declaration(alpha=0.1))
    assert set_after.startswith("Set after the records were made")
    assert "analysis.alpha: 0.05 -> 0.1" in set_after


def test_a_declaration_that_was_edited_shows(study_with: StudyWith, tmp_path):
    store = Store(tmp_path / "out")
    store.prepare(plan_study(study_with("analysis.margin=0.02")))
    path = store.folder / FILE
    content = json.loads(path.read_text())
    content["analysis"]["margin"] = 0.05
    path.write_text(json.dumps(content))
    found = store.declared()
    assert found is not None
    assert found.deviations(Declaration(margin=0.05)) == [
        "declaration.json was changed after it was recorded."
    ]


def test_folders_from_before_have_none(tmp_path):
    assert Declared.read(tmp_path) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("analysis.margin=1", "analysis.margin  must be less than 1, got 1"),
        ("analysis.marginn=0.02", "analysis.marginn  unknown key   (did you mean 'margin'?)"),
        ("analysis.primary=[a]", "analysis.primary[0]  must be 'mean_excess_drop'"),
        ("analysis.primary=[]", "analysis.primary"),
        ("analysis.primary=[severity_slope, severity_slope]", "must not repeat severity_slope"),
        ("analysis.draws=10", "must be greater than or equal to 200, got 10"),
    ],
)
def test_one_mistake_one_message(study_with: StudyWith, setting: str, message: str):
    with pytest.raises(UserError) as caught:
        study_with(setting)
    assert message in str(caught.value)
