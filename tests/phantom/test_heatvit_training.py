"""Training of HeatViT's selectors: soft in training must be what is hard in a study."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import CLIPModel

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.llava import Llava
from robust_atp.backbones.loading import find_source
from robust_atp.backbones.thinning import Thinning, embed_pixels, pass_thinned
from robust_atp.phantom.training.heatvit import Course, fit, positions
from robust_atp.phantom.training.lessons import Lessons
from robust_atp.phantom.training.soft_thinning import SoftlyThinned, hide, straight_through, thin_softly
from robust_atp.pruning.methods.heatvit import Learned


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def phantom() -> Llava:
    backbone = load_backbone(BackboneSpec("phantom"))
    assert isinstance(backbone, Llava)
    return backbone


@pytest.fixture(scope="module")
def clip() -> CLIPModel:
    return CLIPModel.from_pretrained(f"{find_source('phantom')}/clip", dtype=torch.float32).eval()


class HalfStays(nn.Module):
    """Keeps what is above the mean of what is left, in a direction of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.direction = torch.randn(128, generator=torch.Generator().manual_seed(seed))

    def forward(self, patches: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        along = patches @ self.direction
        return (along - (left * along).sum(-1, keepdim=True) / left.sum(-1, keepdim=True)).sigmoid()


@torch.no_grad()
def test_hidden_patches_are_dropped_patches(phantom: Llava, clip: CLIPModel) -> None:
    """At the counts that the soft tower arrives at, the real one keeps the same patches and has the same output."""
    course = Course(phantom, seed=1)
    selectors = nn.ModuleDict({str(depth): HalfStays(depth) for depth in (1, 2, 3)})
    lessons = Lessons.prepare(clip, "neutral", 3, 7, course.see)
    hidden = lessons.features.float()
    for row in range(3):
        seen = thin_softly(course.layers, hidden[row : row + 1], selectors, course.depth, None)
        counts = seen.left.sum((1, 2)).int().tolist()
        assert 196 > counts[0] > counts[1] > counts[2] > 0
        rules = tuple(Learned(selectors[depth]) for depth in selectors)
        plan = Thinning(tuple(zip((1, 2, 3), counts, strict=True)), rules)
        # The first layer is passed already.
        layers = [PassedOn(), *course.layers[1:]]
        (leaving,), (thinned,), _ = pass_thinned(layers, hidden[row : row + 1], plan, course.depth)
        for stage, left in zip(thinned.stages, seen.left[:, 0], strict=True):
            assert stage.tolist() == left.nonzero()[:, 0].tolist()
        stays = [*thinned.stages[-1].tolist(), 196]
        torch.testing.assert_close(leaving, seen.tokens[0, stays], rtol=1e-3, atol=1e-3)
        assert thinned.made_at.tolist() == seen.made_at.tolist()


class PassedOn(nn.Module):
    def forward(self, hidden: torch.Tensor, mask: None) -> torch.Tensor:
        return hidden


def test_the_gradient_reaches_dropped_patches_and_is_bounded() -> None:
    left = torch.tensor([[1.0, 0.0, 1.0, 0.0]], requires_grad=True)
    logits = torch.tensor([[0.0, 30.0, 1.0, 2.0]])
    shares = (logits + hide(left)).softmax(-1)
    (shares * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert left.grad is not None
    assert left.grad.abs().max() <= 0.1 + 1e-6
    assert (left.grad != 0).all()


def test_hiding_is_leaving_out() -> None:
    logits = torch.tensor([0.3, 2.0, 1.0, -1.0])
    shares = (logits + hide(torch.tensor([[1.0, 0.0, 1.0, 1.0]]))).softmax(-1)[0]
    torch.testing.assert_close(shares[[0, 2, 3]], logits[[0, 2, 3]].softmax(-1), rtol=1e-5, atol=1e-5)
    assert shares[1] < 1e-5


def test_sampling_is_unbiased_and_differentiable() -> None:
    keep = torch.tensor([0.1, 0.5, 0.9]).expand(4000, 3).clone().requires_grad_()
    sample = straight_through(keep, torch.Generator().manual_seed(0))
    assert set(sample.detach().flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(sample.mean(0), torch.tensor([0.1, 0.5, 0.9]), rtol=0, atol=0.03)
    sample.sum().backward()
    assert keep.grad is not None
    assert (keep.grad > 0).all()


def test_positions_are_those_of_a_study() -> None:
    left = torch.tensor([[[0.0, 1.0, 1.0, 0.0, 1.0]]])
    seen = SoftlyThinned(torch.zeros(1, 6, 2), left, torch.tensor([3]))
    at, text = positions(seen, compacted=False)
    assert (at.tolist(), text.tolist()) == ([[0, 1, 2, 3, 4, 3]], [5])
    at, text = positions(seen, compacted=True)
    assert at[0, [1, 2, 4, 5]].tolist() == [0, 1, 2, 3]
    assert text.tolist() == [4]


def test_a_few_steps_lower_the_loss(phantom: Llava, clip: CLIPModel, tmp_path: Path) -> None:
    """The tower that is dropped from stays what it is, and so does the rest of the backbone."""
    course = Course(phantom, seed=0)
    lessons = Lessons.prepare(clip, "neutral", 8, 7, course.see)
    before = [parameter.clone() for parameter in phantom.model.parameters()]

    def loss() -> float:
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            terms, _ = course.losses(
                lessons.features.float(), lessons.tokens[:, :4], lessons.length[:, :4], generator
            )
        return terms.total.item()

    untrained = loss()
    fit(course, lessons, tmp_path / "c.pt", steps=12, seed=0, batch=8, blocks=4, learning_rate=1e-2)
    assert loss() < untrained - 0.01
    assert all(torch.equal(a, b) for a, b in zip(before, phantom.model.parameters(), strict=True))


@torch.no_grad()
def test_lessons_hold_what_the_tower_sees_at_the_first_cut(phantom: Llava, clip: CLIPModel) -> None:
    course = Course(phantom, seed=0)
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    tower = phantom.model.model.vision_tower
    expected = tower(pixels, output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(course.see(clip, pixels).float(), expected, rtol=1e-2, atol=1e-2)
    assert embed_pixels(tower, pixels).shape == (2, 197, 128)
