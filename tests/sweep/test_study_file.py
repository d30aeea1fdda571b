import re
from pathlib import Path

import pytest

from robust_atp.data import DATASETS
from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS
from robust_atp.sweep.study_file import load_study

GOOD = """\
name: s
backbones: [phantom]
data:
  - {name: vqav2, split: val, questions: q.json, annotations: a.json, images_folder: .}
grid:
  corruption: [fog]
  severity: [1, 3]
  pruner: [cls-attention, {name: atp, alpha: 0.5}]
  keep: [0.25]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("q.json", "a.json"):
        (tmp_path / name).write_text("{}")
    path = tmp_path / "study.yaml"
    path.write_text(GOOD)
    return path


def complaint(file: Path, text: str, *settings: str) -> str:
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_study(file, settings)
    return str(caught.value).replace(str(file), "study.yaml").replace(str(file.parent), "FOLDER")


def test_all_problems_at_once_with_line_place_and_nearest_value(file: Path) -> None:
    bad = """\
name: s
backbones: [phantom]
data:
  - {name: gqaa, split: val}
  - {name: vqav2, split: val, questions: q.json, annotations: b.json, images_folder: ., limt: 3}
grid:
  control: [blanc]
  severty: [1, 3]
  pruner:
    - cls-atention
    - {name: random, positon_policy: original}
  keep: [0.25, half, 1.5]
sed: 1
"""
    assert complaint(file, bad).splitlines() == [
        "study.yaml: 10 problems",
        f"  line 4   data[0].name            dataset 'gqaa' is not one of: {', '.join(sorted(DATASETS.names()))}"
        "   (did you mean 'gqa'?)",
        "  line 5   data[1].annotations     no such file: FOLDER/b.json",
        "  line 5   data[1].limt            unknown key   (did you mean 'limit'?)",
        "  line 7   grid.control[0]         control 'blanc' is not one of: blank, objects-removed, shuffled   "
        "(did you mean 'blank'?)",
        "  line 8   grid.severty            unknown key   (did you mean 'severity'?)",
        f"  line 10  grid.pruner[0].name     pruner 'cls-atention' is not one of: {', '.join(sorted(PRUNERS.names()))}"
        "   (did you mean 'cls-attention'?)",
        "  line 11  grid.pruner[1].options  pruner 'random' has no option 'positon_policy'; it has: "
        "position_policy   (did you mean 'position_policy'?)",
        "  line 12  grid.keep[1]            must be a number, got 'half'",
        "  line 12  grid.keep[2]            must be less than or equal to 1, got 1.5",
        "  line 13  sed                     unknown key   (did you mean 'seed'?)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("severity: [1, 3]", "severity: [1, 6]", "grid.severity[1]  must be less than or equal to 5, got 6"),
        ("severity: [1, 3]", "severity: [yes]", "grid.severity[0]  must be a whole number, got True"),
        ("severity: [1, 3]", "severity: [1, 1]", "grid.severity  must not repeat 1"),
        ("corruption: [fog]", "corruption: [fog, weather]", "grid.corruption  must not repeat fog"),
        ("name: s\n", "name: no\n", "name  must be text, got the boolean False: put it in quotes"),
        ("name: s\n", "", "name  is required"),
        ("name: s\n", "name: s\nname: t\n", "name  stands twice, in line 1 and in line 2"),
        ("split: val, ", "", "data[0].split  is required"),
        ("name: vqav2, ", "", "data[0]  needs a name, one of: phantom, vqav2, pope"),
        ("[cls-attention,", "[atp, {name: atp},", "grid.pruner  must not repeat atp"),
        ("corruption: [fog]", "corruption: [nowhere.py:fog]", "there is no file"),
        (
            "corruption: [fog]",
            "corruption: [fogg]",
            "grid.corruption[0]  corruption or group 'fogg' is not one of",
        ),
        ("corruption: [fog]", "corruption: [fogg]", "(did you mean 'fog'?)"),
        (
            "[phantom]",
            "[{id: phantom, dtype: float64}]",
            "dtype  must be 'float32', 'bfloat16' or 'float16', got",
        ),
        ("[phantom]", "[phantom, a/phantom]", "backbones  must not repeat phantom"),
        ("backbones", "data_root: nowhere\nbackbones", "data_root  no such folder: FOLDER/nowhere"),
        ("backbones", "data_root: ${UNSET_X}\nbackbones", "the environment variable UNSET_X is not set"),
        ("grid:\n", "grid: [\n", "not valid YAML"),
        (GOOD, "- a\n", "a study file is a mapping with the keys data_root, name"),
    ],
)
def test_one_mistake_one_message(file: Path, old: str, new: str, expected: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    assert expected in re.sub(" {2,}", "  ", complaint(file, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read: No such file"):
        load_study(tmp_path / "nowhere.yaml")


def test_defaults_groups_and_short_forms(file: Path) -> None:
    file.write_text(GOOD.replace("[fog]", "[weather, gaussian_noise]").replace("[0.25]", "0.25"))
    study = load_study(file)
    assert study.grid.corruption == ("snow", "frost", "fog", "brightness", "gaussian_noise")
    assert study.grid.keep == (0.25,)
    assert [(p.name, p.options) for p in study.grid.pruner] == [
        ("cls-attention", {}),
        ("atp", {"alpha": 0.5}),
    ]
    assert (study.backbones[0].name, study.noise_seeds, study.position_policy) == ("phantom", (0,), None)


def test_a_backbone_is_called_by_the_last_part_of_its_id(file: Path) -> None:
    study = load_study(file, ["backbones=[llava-hf/llava-1.5-7b-hf, {id: phantom, name: ours}]"])
    assert [backbone.name for backbone in study.backbones] == ["llava-1.5-7b-hf", "ours"]


def test_paths_resolve_against_data_root_else_the_files_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_study(file).data[0].model_dump()["questions"] == tmp_path / "q.json"
    other = tmp_path / "other"
    other.mkdir()
    (other / "q.json").write_text("{}")
    (other / "a.json").write_text("{}")
    monkeypatch.setenv("SOMEWHERE", str(other))
    study = load_study(file, ["data_root=${SOMEWHERE}"])
    assert study.data[0].model_dump()["questions"] == other / "q.json"


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("seed=3", lambda study: study.seed == 3),
        ("grid.severity=[5]", lambda study: study.grid.severity == (5,)),
        ("grid.keep=1e-1", lambda study: study.grid.keep == (0.1,)),
        ("data[0].limit=2", lambda study: study.data[0].limit == 2),
        ("data.0.limit=2", lambda study: study.data[0].limit == 2),
        ("grid.pruner[1].alpha=1.0", lambda study: study.grid.pruner[1].options == {"alpha": 1.0}),
    ],
)
def test_set(file: Path, setting: str, read: object) -> None:
    assert callable(read)
    assert read(load_study(file, [setting]))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seed", "--set takes key=value"),
        ("data[7].limit=1", "no such place"),
        ("name.x=1", "no such place"),
        ("seed=[", "not valid YAML"),
        ("sede=1", "unknown key   (did you mean 'seed'?)"),
    ],
)
def test_a_bad_setting(file: Path, setting: str, expected: str) -> None:
    assert expected in complaint(file, GOOD, setting)


def test_the_study_of_every_method_leaves_none_out() -> None:
    study = load_study(Path(__file__).parents[2] / "experiments" / "all_pruners.yaml")
    assert sorted(["none", "random", *(pruner.name for pruner in study.grid.pruner)]) == sorted(
        PRUNERS.names()
    )
