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

# Trained where the background tells nothing. Of each: a share of tokens at which objects before others is better
# than any tokens, and by how many points at least. The CLS token, which BLIP-2 and Flamingo never drop, knows much by
# itself: beside one patch of background it lets Flamingo answer 76 % of the questions, that patch alone 51 %.
NEUTRAL = {"phantom": (0.1, 8), "phantom-blip2": (0.05, 4), "phantom-flamingo": (0.05, 8)}

SCENES = held_out("test", 100)
FEW = SCENES[:30]


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


def test_the_background_tells_nothing(clean: Scores) -> None:
    assert abs(clean.gap) <= 5


def test_the_background_gives_the_shape_away() -> None:
    assert score(load_backbone(BackboneSpec("phantom-shortcut")), SCENES).gap >= 30


def test_keeping_the_objects_pays(phantom: Backbone, clean: Scores) -> None:
    share, advantage = NEUTRAL[phantom.name]
    oracle = score(phantom, SCENES, objects_first(share)).accuracy
    assert oracle >= clean.accuracy - 5
    assert oracle >= score(phantom, SCENES, random_tokens(share)).accuracy + advantage


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "defocus_blur", "snow", "fog", "contrast", "impulse_noise"]
)
def test_corruption_matters(phantom: Backbone, name: str) -> None:
    def spoil(image: np.ndarray, scene: HeldOutScene) -> np.ndarray:
        return corrupt(image, name, severity=5, key=str(scene.index))

    assert score(phantom, FEW, change=spoil).accuracy <= score(phantom, FEW).accuracy - 10


def test_blip2_sees_in_the_joint_space_of_the_clip_model_it_ships_with() -> None:
    """Its tower has been taught by CLIP's: patches must lie where CLIP's own do, or ATP compares the unlike."""
    images = [scene.image for scene in FEW[:10]]
    patches = [
        torch.stack(
            [
                image.signals["joint_patches"]
                for image in backbone.encode(images, frozenset({"joint_patches"}))
            ]
        )
        for backbone in (load_backbone(BackboneSpec(name)) for name in ("phantom", "phantom-blip2"))
    ]
    assert (patches[0] * patches[1]).sum(-1).mean() > 0.99
