"""Experiments: arms answer again, from tokens that are not their own choice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robust_atp import run
from robust_atp.cli import main
from robust_atp.data import load_dataset
from robust_atp.errors import UserError
from robust_atp.interventions import pixel_hash
from robust_atp.pruning.keeping import keep_indices
from robust_atp.records import MEASURED
from robust_atp.report.tables.transplant import mean_transplant
from robust_atp.sweep.experiments.grounding import with_rim
from robust_atp.sweep.ingredients import load, plan_study
from robust_atp.sweep.participation import participation
from robust_atp.sweep.study import Study
from robust_atp.sweep.study_file import study_from_record
from robust_atp.sweep.worker import Worker

ARM = ["pruner", "keep", "question_id"]
# Columns in which an answer to an experiment differs from an own one though it is the same answer.
LABELS = ["unit", "intervention", "intervention_version", "severity", "variant", *MEASURED]

UNCHANGED = '''
from corruptions import register

@register("unchanged", family="own", severity={"unused": [1, 2, 3, 4, 5]}, override=True)
def unchanged(image, *, unused):
    """The same pixels."""
    return image.copy()
'''


def answers(study: Study) -> pd.DataFrame:
    worker = Worker(study, study.backbones[0])
    first = plan_study(study).units[0].images
    units = [unit for unit in plan_study(study).units if unit.images == first]
    return pd.concat([worker.run(unit).to_pandas() for unit in units], ignore_index=True)


def rows(found: pd.DataFrame, variant: str, intervention: str, **only: object) -> pd.DataFrame:
    chosen = found[(found.variant == variant) & (found.intervention == intervention)]
    for column, value in only.items():
        chosen = chosen[chosen[column] == value]
    return chosen.sort_values(ARM, ignore_index=True)


def same(one: pd.DataFrame, other: pd.DataFrame, *, but: tuple[str, ...] = ()) -> None:
    dropped = [*LABELS, *but]
    assert len(one)
    pd.testing.assert_frame_equal(one.drop(columns=dropped), other.drop(columns=dropped), check_exact=True)


@pytest.fixture
def transplanted(study_with: Callable[..., Study]) -> Study:
    return study_with(
        "grid.experiment=transplant",
        "grid.corruption=[gaussian_noise]",
        "grid.severity=[5]",
        "grid.pruner=[uniform-grid, cls-attention, fastv]",
        "grid.keep=0.5",
    )


def test_places_that_never_change_have_no_selection_effect(transplanted: Study) -> None:
    found = answers(transplanted)
    own = rows(found, "own", "gaussian_noise", pruner="uniform-grid")
    clean = rows(found, "own", "clean", pruner="uniform-grid")
    same(rows(found, "clean places", "gaussian_noise", pruner="uniform-grid"), own)
    same(rows(found, "clean pixels", "gaussian_noise", pruner="uniform-grid"), clean, but=("first_token_kl",))


def test_a_corruption_that_changes_nothing_leaves_all_four_answers_equal(
    study_with: Callable[..., Study], tmp_path: Path
) -> None:
    (tmp_path / "nothing.py").write_text(UNCHANGED)
    study = study_with(
        "grid.experiment=transplant",
        f"grid.corruption=['{tmp_path / 'nothing.py'}:unchanged']",
        "grid.severity=[5]",
        "grid.pruner=[cls-attention, {name: atp, alpha: 0.25}]",
        "grid.keep=0.5",
    )
    found = answers(study)
    found = found[~found.pruner.isin(["none", "random"])]
    clean = rows(found, "own", "clean")
    same(rows(found, "own", "unchanged"), clean)
    same(rows(found, "clean places", "unchanged"), clean)
    same(rows(found, "clean pixels", "unchanged"), clean, but=("first_token_kl",))


def test_pixels_and_places_are_those_that_the_variant_says(transplanted: Study) -> None:
    found = answers(transplanted)
    noisy, clean = rows(found, "own", "gaussian_noise"), rows(found, "own", "clean")
    for variant, pixels, places in (("clean places", noisy, clean), ("clean pixels", clean, noisy)):
        moved = rows(found, variant, "gaussian_noise")
        assert set(moved.pruner) == {"random", "uniform-grid", "cls-attention"}
        at = pd.MultiIndex.from_frame(moved[ARM])
        assert moved.image_hash.tolist() == pixels.set_index(ARM).image_hash[at].tolist()
        assert [k[0] for k in moved.kept] == [k[0] for k in places.set_index(ARM).kept[at]]
        assert (moved.tokens_llm == 8).all()
    kept = {
        variant: rows(found, "own", variant, pruner="cls-attention").kept
        for variant in ("clean", "gaussian_noise")
    }
    assert any(a[0] != b[0] for a, b in zip(*kept.values(), strict=True))


def test_transplanted_answers_are_those_of_the_backbone_at_the_recorded_places(transplanted: Study) -> None:
    moved = rows(answers(transplanted), "clean pixels", "gaussian_noise", pruner="cls-attention")
    dataset, backbone = load_dataset(transplanted.data[0]), load(transplanted.backbones[0])
    for row in moved.to_dict("records"):
        image = dataset.image(row["image_id"])
        assert pixel_hash(image) == row["image_hash"]
        places = np.flatnonzero(np.unpackbits(np.frombuffer(row["kept"][0], np.uint8)))
        kept = keep_indices(backbone.encode([image], frozenset()), [places.tolist()], row["position_policy"])
        (answer,) = backbone.answer(kept, [row["question"]])
        assert answer.text == row["prediction"]
        assert answer.first_token_logprob == pytest.approx(row["first_token_logprob"], abs=1e-5)


def test_own_answers_are_the_same_with_and_without_experiments(
    transplanted: Study, study_with: Callable[..., Study]
) -> None:
    alone = transplanted.model_copy(update={"grid": transplanted.grid.model_copy(update={"experiment": ()})})
    found = answers(transplanted)
    own = found[found.variant == "own"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        own.drop(columns=["unit", *MEASURED]),
        answers(alone).drop(columns=["unit", *MEASURED]),
        check_exact=True,
    )


def test_divergence_is_from_the_unpruned_model_about_the_same_pixels(transplanted: Study) -> None:
    found = answers(transplanted)
    assert (found[found.pruner == "none"].first_token_kl == 0).all()
    pruned = found[(found.pruner != "none") & (found.variant != "clean pixels")]
    assert (pruned.first_token_kl > 0).all()
    assert found[found.variant == "clean pixels"].first_token_kl.isna().all()


def test_arms_that_do_more_than_choose_places_are_left_out_in_words(
    study_with: Callable[..., Study], study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [
        "grid.pruner=[atp, tome, fastv, heatvit-free]",
        "grid.experiment=[transplant]",
        "grid.keep=0.5",
    ]
    part = participation(study_with(*settings))["transplant"]
    assert part.left_out == {
        "none": "keeps all tokens",
        "tome": "merges tokens",
        "fastv": "cuts inside the language model",
        "heatvit-free": "cuts inside the vision tower",
    }
    assert part.answers == 2 * 2 * 4  # random and atp, two variants, two corruptions at two severities
    assert (
        main(["plan", str(study_file), *(word for setting in settings for word in ("--set", setting))]) == 0
    )
    printed = capsys.readouterr().out
    assert "without tome: it merges tokens" in printed
    assert f"{9 * part.answers} more" in printed


def test_only_corrupted_images_are_answered_again(study_with: Callable[..., Study]) -> None:
    found = answers(
        study_with(
            "grid.experiment=transplant", "grid.corruption=[typos, fog]", "grid.severity=5", "grid.keep=0.5"
        )
    )
    assert set(found[found.variant != "own"].intervention) == {"fog"}


def test_an_unknown_experiment_is_refused_with_the_nearest(study_with: Callable[..., Study]) -> None:
    with pytest.raises(UserError, match="transplant"):
        study_with("grid.experiment=transplan")


@pytest.fixture(scope="module")
def grounded() -> pd.DataFrame:
    """Rows of the grounding experiment on two scenes of the phantom, with its shipped backbone."""
    study = study_from_record(
        {
            "name": "grounded",
            "backbones": [{"id": "phantom-shortcut", "name": "phantom-shortcut"}],
            "data": [{"name": "phantom", "split": "test", "images": 2}],
            "grid": {
                "control": ["blank"],
                "pruner": ["cls-attention"],
                "keep": 0.25,
                "experiment": "grounding",
            },
        }
    )
    return answers(study)


def bits(masks: pd.Series) -> list[set[int]]:
    """Places of each mask, the last one where there are several stages."""
    last = [mask if isinstance(mask, bytes) else mask[-1] for mask in masks]
    return [set(np.flatnonzero(np.unpackbits(np.frombuffer(mask, np.uint8))).tolist()) for mask in last]


def around(place: int) -> set[int]:
    """A place on the phantom's grid of 14 x 14 with its neighbours."""
    row, column = divmod(place, 14)
    rows, columns = ([k + d for d in (-1, 0, 1) if 0 <= k + d < 14] for k in (row, column))
    return {14 * r + c for r in rows for c in columns}


def test_the_rim_of_an_object_stays_on_its_own_grid() -> None:
    objects = np.zeros(4 + 6, bool)
    objects[[3, 4]] = True  # the last place of a 2 x 2 grid, the first of a 2 x 3 grid
    assert np.flatnonzero(with_rim(objects, [(2, 2), (2, 3)])).tolist() == [0, 1, 2, 3, 4, 5, 7, 8]


def test_the_kept_tokens_are_parted_at_the_objects(grounded: pd.DataFrame) -> None:
    inside, outside = rows(grounded, "objects only", "clean"), rows(grounded, "background only", "clean")
    asked = pd.MultiIndex.from_frame(inside[ARM])
    own = rows(grounded, "own", "clean").set_index(ARM).loc[asked]
    assert set(inside.pruner) == {"none", "random", "cls-attention"}
    assert inside[ARM].equals(outside[ARM])
    objects = bits(inside.object_patches)
    assert bits(inside.kept) == [kept & on for kept, on in zip(bits(own.kept), objects, strict=True)]
    near = [{place for on in of_image for place in around(on)} for of_image in objects]
    assert bits(outside.kept) == [kept - close for kept, close in zip(bits(own.kept), near, strict=True)]
    assert inside.tokens_llm.tolist() == [len(kept) for kept in bits(inside.kept)]
    assert set(grounded[grounded.variant != "own"].intervention) == {"clean"}


def test_images_without_masks_are_not_asked_about_their_objects(study_with: Callable[..., Study]) -> None:
    found = answers(study_with("grid.experiment=grounding", "grid.corruption=[]", "grid.keep=0.5"))
    assert set(found.variant) == {"own"}


def test_random_places_cost_nothing_for_being_chosen_on_a_corrupted_image(tmp_path: Path) -> None:
    study = study_from_record(
        {
            "name": "random",
            "backbones": [{"id": "phantom", "name": "phantom"}],
            "data": [{"name": "phantom", "split": "test", "images": 12}],
            "grid": {"corruption": ["contrast"], "severity": [5], "keep": 0.25, "experiment": "transplant"},
        }
    )
    effects = mean_transplant(run(study, tmp_path / "random", bar=False)).set_index("quantity")
    selection, total = effects.loc["selection effect"], effects.loc["total effect"]
    assert selection["lo"] < 0 < selection["hi"]
    assert total["lo"] > 0
