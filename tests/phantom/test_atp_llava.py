"""Training of ATP-LLaVA's thresholds on the shipped phantom, and the weights that came of it."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel, LlavaForConditionalGeneration

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.loading import find_source
from robust_atp.backbones.seam import Backbone
from robust_atp.phantom.split import held_out
from robust_atp.phantom.training.atp_llava import Objective, fit
from robust_atp.phantom.training.calibration import ROWS, calibrate
from robust_atp.phantom.training.comparison import measure
from robust_atp.phantom.training.lessons import Lessons
from robust_atp.phantom.training.soft_masks import Faded, forward
from robust_atp.pruning import build_pruner, keep_indices
from robust_atp.pruning.learned_thresholds import ThresholdHead
from robust_atp.pruning.methods.atp_llava import LearnedThresholds, Shift, heads_for
from robust_atp.pruning.trained import load_weights

AS_TRAINED = Shift((0.0,), ((0.5, 0.5, 0.5),))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def phantom() -> Backbone:
    return load_backbone(BackboneSpec("phantom"))


@pytest.fixture(scope="module")
def llava() -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration.from_pretrained(
        find_source("phantom"), dtype=torch.float32, attn_implementation="eager"
    ).eval()


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    clip = CLIPModel.from_pretrained(f"{find_source('phantom')}/clip", dtype=torch.float32).eval()
    return Lessons.prepare(clip, "neutral", 40, 51)


def heads() -> dict[int, ThresholdHead]:
    torch.manual_seed(1)
    return heads_for(4)


@torch.no_grad()
def test_tokens_that_fade_at_once_are_tokens_that_are_dropped(
    phantom: Backbone, llava: LlavaForConditionalGeneration
) -> None:
    """At a high temperature training computes what inference does, batch, padding, positions, counts and all."""
    images = [scene.image for scene in held_out("val", 3)]
    asked = ["How many objects are there?", "Is there a star?", "Which shape is red?"]
    tokens = phantom.encode(images, frozenset({"tower_features"}))
    network = heads()
    way = Dropping(
        tuple((depth, 1) for depth in network),
        LearnedThresholds(network, AS_TRAINED),
        "original",
        adaptive=True,
        grid=(14, 14),
    )
    kept = keep_indices(tokens, [range(196)] * 3, "original")
    answers = phantom.answer(kept, asked, [way] * 3)

    words = phantom.processor.tokenizer(asked, add_special_tokens=False)["input_ids"]  # type: ignore[attr-defined]
    padded = torch.tensor([ids + [0] * (10 - len(ids)) for ids in words])
    length = torch.tensor([len(ids) for ids in words])
    features = torch.stack([image.signals["tower_features"] for image in tokens])
    faded = forward(llava, network, features, padded, length, temperature=1e5)
    assert faded.tokens_per_layer.tolist() == [list(answer.tokens_per_layer) for answer in answers]
    assert len({answer.tokens_per_layer for answer in answers}) > 1
    found = faded.logits[:, 0].log_softmax(-1).amax(-1).tolist()
    assert found == pytest.approx([answer.first_token_logprob for answer in answers], abs=1e-3)


def test_the_three_terms() -> None:
    """Worked by hand: 4 layers of 100 tokens, cuts after 1 and 3, the answer certain but for ln 4."""
    counts = torch.tensor([[100.0, 50, 50, 10], [100, 30, 30, 10]])  # shares 1, 0.4, 0.4, 0.1: mean 0.475
    objective = Objective(target=0.3, atp_weight=0.1, target_weight=0.01)
    loss = objective(Faded(torch.zeros(2, 2, 4), counts), torch.zeros(2, 2, dtype=torch.long), (1, 3), 100)
    deep = 0.4 * 8 + 0.1 * 24
    assert loss.item() == pytest.approx(torch.log(torch.tensor(4.0)).item() + 0.1 * deep + 0.01 * 0.175 * 576)


def test_a_short_training_approaches_its_target(
    llava: LlavaForConditionalGeneration, lessons: Lessons, tmp_path: Path
) -> None:
    objective = Objective(target=0.5)
    network = heads()
    before = loss_and_share(llava, network, lessons, objective)
    weights = llava.state_dict()["lm_head.weight"].clone()
    few = {"steps": 20, "batch": 4, "learning_rate": 0.2}
    fit(network, llava, lessons, objective, tmp_path / "c.pt", seed=0, **few)  # type: ignore[arg-type]  # one dict
    after = loss_and_share(llava, network, lessons, objective)
    assert after[0] < 0.5 * before[0]
    assert abs(after[1] - 0.5) < 0.3 * abs(before[1] - 0.5)
    assert torch.equal(llava.state_dict()["lm_head.weight"], weights)


@torch.no_grad()
def loss_and_share(
    llava: LlavaForConditionalGeneration,
    network: Mapping[int, ThresholdHead],
    lessons: Lessons,
    objective: Objective,
) -> tuple[float, float]:
    tokens, length = lessons.tokens[:16, 0], lessons.length[:16, 0]
    faded = forward(llava, network, lessons.features[:16].float(), tokens, length, objective.temperature)
    answer = tokens.gather(1, length[:, None]).expand(-1, 2)
    return objective(faded, answer, list(network), 196).item(), faded.tokens_per_layer.mean().item() / 196


def test_a_calibration_follows_the_shares_where_they_change() -> None:
    asked = []

    def shares_at(offset: float) -> tuple[float, float]:
        asked.append(offset)
        share = 0.01 + 0.99 / (1 + math.exp(12 * (offset - 0.4)))
        return (1.0 if offset == -1 else share, 1.0 if offset == -1 else share**2)

    shift = calibrate(shares_at)
    assert len(asked) == len(set(asked)) == ROWS
    for share in (0.03, 0.1, 0.3, 0.6, 0.9):
        assert shares_at(shift(0, share))[0] == pytest.approx(share, rel=0.1)
    assert [shift(cut, 1.0) for cut in (0, 1)] == [-1, -1]


def test_a_calibration_leaves_out_what_does_not_rise() -> None:
    """Later cuts see more tokens when earlier ones let more pass, and may then keep fewer."""
    shift = calibrate(lambda offset: ((1.01 - offset) / 2.01, 0.3 + 0.2 * (abs(offset) > 0.3)))
    assert all(np.diff([row[cut] for row in shift.shares]).min() >= 0 for cut in (0, 1))


@pytest.mark.parametrize("name", ["phantom", "phantom-shortcut"])
def test_the_shipped_weights_meet_their_target_and_other_budgets(name: str) -> None:
    backbone = load_backbone(BackboneSpec(name))
    weights = load_weights("atp-llava", backbone)
    shares = [1.0, *weights.facts["shares_after_cuts"]]  # type: ignore[misc]  # facts are of any type
    assert sum(shares) / 4 == pytest.approx(weights.facts["target"], abs=0.02)
    method, scenes = build_pruner("atp-llava").on(backbone), held_out("test", 20)
    unpruned, _, _ = measure(backbone, build_pruner("none"), 1.0, scenes)
    for share in (0.35, 0.28):
        accuracy, realised, _ = measure(backbone, method, share, scenes)
        assert realised == pytest.approx(share, abs=0.015)
        assert accuracy >= unpruned - 8
