"""What is done to an image or a question: with masks and other images where a type needs them, and in whose name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from corruptions import corrupt
from corruptions.background import without_objects
from corruptions.registry import find
from robust_atp.data import load_dataset
from robust_atp.errors import UserError
from robust_atp.interventions import intervene, intervene_question, pixels_seen, surroundings, version
from robust_atp.probes import controls
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.study import Study
from robust_atp.sweep.worker import Worker

HOW: dict[str, Any] = {"severity": 3, "noise_seed": 2}


@pytest.fixture(scope="module")
def phantom():
    return load_dataset({"name": "phantom", "split": "test", "images": 3})


def test_nothing_is_looked_up_for_types_that_need_nothing(phantom):
    for name, severity in (("clean", 0), ("blank", 0), ("fog", 3), ("typos", 3)):
        assert surroundings(phantom, "0", name, severity=severity, noise_seed=0) == {}


def test_a_background_comes_from_another_image_and_brings_no_object(phantom):
    ids = list(dict.fromkeys(example.image_id for example in phantom.examples()))
    for image_id in ids:
        found = surroundings(phantom, image_id, "background_swap", **HOW)
        assert np.array_equal(found["mask"], phantom.object_mask(image_id))
        lenders = [other for other in ids if other != image_id]
        backgrounds = [without_objects(phantom.image(o), phantom.object_mask(o)) for o in lenders]
        assert any(np.array_equal(found["donor"], background) for background in backgrounds)
        image = phantom.image(image_id)
        seen = intervene(
            image, "background_swap", study_seed=0, dataset="phantom", image_id=image_id, **HOW, **found
        )
        assert np.array_equal(seen[found["mask"]], image[found["mask"]])
        assert not np.array_equal(seen, image)


def test_one_image_has_no_background_to_lend():
    alone = load_dataset({"name": "phantom", "split": "test", "images": 1})
    with pytest.raises(UserError, match="needs two images, 'phantom' has one"):
        surroundings(alone, "0", "background_swap", **HOW)


def test_masks_that_are_missing_are_missed_before_anything_runs(study_with: Callable[..., Study]) -> None:
    with pytest.raises(UserError, match="'occlude_object' needs object masks, which data set 'vqav2'"):
        plan_study(study_with("grid.corruption=[occlude_object]"))


def test_a_control_that_removes_objects_is_given_their_mask(
    phantom, study_with: Callable[..., Study]
) -> None:
    image_id = phantom.image_ids()[0]
    image, mask = phantom.image(image_id), phantom.object_mask(image_id)
    found = pixels_seen(phantom, image_id, "objects-removed", severity=0, noise_seed=0, study_seed=0)
    assert np.array_equal(found, without_objects(image, mask))
    with pytest.raises(UserError, match="'objects-removed' needs object masks, which data set 'vqav2'"):
        plan_study(study_with("grid.control=[objects-removed]"))


def test_a_question_is_keyed_by_data_set_and_question():
    asked = intervene_question("How many red shapes?", "typos", dataset="d", question_id="7", **HOW)
    assert asked == corrupt("How many red shapes?", "typos", 3, 2, "d/7")
    assert intervene_question("How many?", "fog", dataset="d", question_id="7", **HOW) == "How many?"
    image = np.full((40, 40, 3), 9, np.uint8)
    assert intervene(image, "typos", study_seed=0, dataset="d", image_id="1", **HOW) is image


def test_versions_are_those_of_the_implementations():
    assert version("clean", 0) == 0
    assert version("blank", 0) == controls.VERSION
    assert version("gaussian_noise", 1) == find("gaussian_noise").version > 1


def test_a_corrupted_question_is_asked_about_the_clean_image(study_with: Callable[..., Study]) -> None:
    study = study_with("grid.corruption=[typos, gaussian_noise]", "grid.severity=[1, 5]")
    worker = Worker(study, study.backbones[0])
    found = pd.concat(worker.run(unit).to_pandas() for unit in plan_study(study).units)
    clean = found[found.intervention == "clean"].set_index("question_id")
    typed = found[found.intervention == "typos"]
    hashes = clean.image_hash.groupby("question_id").first()
    assert (typed.image_hash == typed.question_id.map(hashes)).all()
    plain = typed.question_id.map(clean.question.groupby("question_id").first())
    assert (typed.question != plain).all()
    for row, question in zip(typed.itertuples(), plain, strict=True):
        assert row.question == corrupt(question, "typos", row.severity, 0, f"{row.dataset}/{row.question_id}")
    assert (found[found.intervention == "gaussian_noise"].question.isin(clean.question)).all()
    recorded = found.groupby("intervention").intervention_version.unique().map(list).to_dict()
    expected = {name: [version(name, int(name not in ("clean", "blank")))] for name in recorded}
    assert recorded == expected
