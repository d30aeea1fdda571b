"""The shipped weights can do what the README says they can, through the code that answers in a study."""

import numpy as np
import pytest
import torch

from corruptions import corrupt
from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.seam import Backbone
from robust_atp.phantom.questions import KINDS
from robust_atp.phantom.split import HeldOutScene, held_out
from robust_atp.phantom.training.evaluate import Scores, objects_first, random_tokens, score

SCENES = held_out("test", 100)
FEW = SCENES[:30]
# Backbones trained where the background tells nothing, and by how many points keeping the objects is to beat keeping
# any tokens. Flamingo reads the tower one layer further up, where patches beside an object know more of it.
NEUTRAL = {"phantom": 8, "phantom-flamingo": 5}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=NEUTRAL)
def phantom(request: pytest.FixtureRequest) -> Backbone:
    return load_backbone(BackboneSpec(request.param))


@pytest.fixture(scope="module")
def clean(phantom: Backbone) -> Scores:
    return score(phantom, SCENES)


@pytest.mark.parametrize("kind", KINDS)
def test_the_phantom_answers_every_kind_of_question(clean: Scores, kind: str) -> None:
    assert clean.accuracy >= 92
    assert clean.of(kind) >= 85


def test_the_backbones_differ_in_what_the_background_does_to_them(clean: Scores) -> None:
    assert abs(clean.gap) <= 5
    assert score(load_backbone(BackboneSpec("phantom-shortcut")), SCENES).gap >= 30


def test_keeping_the_objects_pays(phantom: Backbone, clean: Scores) -> None:
    oracle = score(phantom, SCENES, objects_first(0.1)).accuracy
    assert oracle >= clean.accuracy - 5
    assert oracle >= score(phantom, SCENES, random_tokens(0.1)).accuracy + NEUTRAL[phantom.name]


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "defocus_blur", "snow", "fog", "contrast", "impulse_noise"]
)
def test_corruption_matters(phantom: Backbone, name: str) -> None:
    def spoil(image: np.ndarray, scene: HeldOutScene) -> np.ndarray:
        return corrupt(image, name, severity=5, key=str(scene.index))

    assert score(phantom, FEW, change=spoil).accuracy <= score(phantom, FEW).accuracy - 10
