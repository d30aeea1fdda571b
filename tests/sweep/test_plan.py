from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest

from robust_atp.data import Example
from robust_atp.sweep.keys import content_key, differences
from robust_atp.sweep.plan import Intervention, Plan, arms, interventions, plan, shards
from robust_atp.sweep.study import Study

StudyWith = Callable[..., Study]


@dataclass(frozen=True)
class Questions:
    """A data set of which a plan needs the questions only."""

    images: int = 6
    fingerprint: str = "f"
    revision: str = ""
    name: str = "vqav2"
    split: str = "val"

    def image_ids(self) -> list[str]:
        return [str(i) for i in range(self.images)]

    def examples(self) -> list[Example]:
        return [
            Example(i, f"{i}-{k}", "how many", ("2",), "2", "count", "number")
            for i in self.image_ids()
            for k in (0, 1)
        ]


def plan_of(
    study: Study,
    dataset: Questions = Questions(),
    revision: str = "r",
    version: int = 1,
    own: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    versions = dict.fromkeys([what.name for what in interventions(study)], version)
    return plan(study, [dataset], {"tiny": revision}, versions, {"tiny": own})  # type: ignore[list-item]


def keys(made: Plan) -> set[str]:
    return {unit.key for unit in made.units}


def test_the_unpruned_model_and_random_at_every_budget_always_join(study_with: StudyWith) -> None:
    found = [(arm.pruner, arm.keep) for arm in arms(study_with("grid.pruner=[uniform-grid]"))]
    assert found == [
        ("none", 1.0), ("random", 0.5), ("uniform-grid", 0.5), ("random", 0.25), ("uniform-grid", 0.25),
    ]  # fmt: skip


def test_naming_them_adds_no_second_arm(study_with: StudyWith) -> None:
    study = study_with("grid.pruner=[none, uniform-grid, random]")
    assert sorted(arm.pruner for arm in arms(study) if arm.keep != 0.25) == ["none", "random", "uniform-grid"]


def test_clean_and_controls_exist_once_whatever_the_noise_seeds(study_with: StudyWith) -> None:
    found = interventions(study_with("noise_seeds=[3, 4]", "grid.corruption=[fog]"))
    assert [(what.name, what.severity, what.noise_seed) for what in found] == [
        ("clean", 0, 0), ("blank", 0, 0), ("fog", 1, 3), ("fog", 1, 4), ("fog", 5, 3), ("fog", 5, 4),
    ]  # fmt: skip


def test_every_image_meets_every_intervention_once(small_study: Study) -> None:
    met = [(image, unit.intervention) for unit in plan_of(small_study).units for image in unit.images]
    assert len(met) == len(set(met)) == 6 * len(interventions(small_study))


def test_the_last_shard_is_smaller() -> None:
    assert [len(shard) for shard in shards(Questions(images=6), 4)] == [4, 2]  # type: ignore[arg-type]


def test_answers_are_the_product_of_questions_interventions_and_arms(small_study: Study) -> None:
    assert plan_of(small_study).answers == 12 * 6 * 7


def test_the_same_study_gives_the_same_units_in_the_same_order(study_with: StudyWith) -> None:
    assert plan_of(study_with()).units == plan_of(study_with()).units


@pytest.mark.parametrize(
    "setting",
    [
        "seed=1", "name=other", "position_policy=original", "threads=2", "backbones[0].dtype=bfloat16",
        "grid.keep=[0.5]", "grid.pruner=[cls-attention]", "grid.pruner[1].alpha=0.75",
        "backbones[0].prompt=<image>{question}",
    ],
)  # fmt: skip
def test_whatever_decides_the_records_changes_every_key(study_with: StudyWith, setting: str) -> None:
    before, after = plan_of(study_with()), plan_of(study_with(setting))
    assert not keys(before) & keys(after)
    assert differences(before.identity, after.identity)


def test_weights_questions_and_implementations_change_every_key(small_study: Study) -> None:
    before = keys(plan_of(small_study))
    assert not before & keys(plan_of(small_study, revision="s"))
    assert not before & keys(plan_of(small_study, Questions(fingerprint="g")))
    assert not before & keys(plan_of(small_study, version=2))
    trained = keys(plan_of(small_study, own={"atp-llava": "h"}))
    assert not before & trained
    assert not trained & keys(plan_of(small_study, own={"atp-llava": "i"}))


@pytest.mark.parametrize(
    "setting", ["grid.severity=[1, 2, 5]", "grid.control=[blank, shuffled]", "noise_seeds=[0, 1]"]
)
def test_a_longer_axis_keeps_the_units_there_were(study_with: StudyWith, setting: str) -> None:
    assert keys(plan_of(study_with())) < keys(plan_of(study_with(setting)))


def test_where_files_lie_is_in_no_key(small_study: Study) -> None:
    moved = small_study.data[0].model_copy(update={"images_folder": "/elsewhere"})
    assert keys(plan_of(small_study.model_copy(update={"data": (moved,)}))) == keys(plan_of(small_study))


def test_the_order_of_a_mapping_is_in_no_key() -> None:
    assert content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    assert content_key(["a", "b"]) != content_key(["ab"])


def test_differences_name_the_place() -> None:
    assert differences({"a": {"b": 1}, "c": [1, 2]}, {"a": {"b": 2}, "c": [1, 3]}) == [
        "a.b: 1 -> 2",
        "c[1]: 2 -> 3",
    ]
    assert differences({"a": 1}, {"a": 1}) == []


def test_a_unit_says_in_words_what_it_is(small_study: Study) -> None:
    unit = replace(plan_of(small_study).units[0], images=("7", "8"))
    assert str(unit) == "tiny on vqav2/val, clean, images 7…"
    foggy = replace(unit, intervention=Intervention("fog", 3, 1))
    assert str(foggy) == "tiny on vqav2/val, fog 3 (seed 1), images 7…"


def test_which_of_two_gpus_is_in_no_key_but_gpu_or_cpu_is(study_with: StudyWith) -> None:
    on = {
        device: keys(plan_of(study_with(f"backbones[0].device={device}")))
        for device in ("cpu", "cuda:0", "cuda:1")
    }
    assert on["cuda:0"] == on["cuda:1"]
    assert not on["cuda:0"] & on["cpu"]
