from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlavaForConditionalGeneration

from robust_atp.phantom.llava import PROMPT, build_llava, build_processor
from robust_atp.phantom.model import build_clip
from robust_atp.phantom.split import held_out
from robust_atp.phantom.training.blocks import subset
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, question_tokens
from robust_atp.phantom.training.llava import forward
from robust_atp.phantom.training.loop import finished, train


@pytest.fixture(scope="module")
def llava() -> LlavaForConditionalGeneration:
    torch.manual_seed(0)
    model = build_llava(build_clip()).eval()
    for name, parameter in model.named_parameters():
        if "language_model" in name and parameter.ndim == 2:
            parameter.data.mul_(8)  # at initialisation the answer hardly depends on the image
    return model


def features_of(llava: LlavaForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    seen = llava.model.vision_tower(pixels, output_hidden_states=True)
    return seen.hidden_states[-2][:, 1:]


@torch.no_grad()
def test_a_block_gives_what_the_whole_prompt_gives(llava: LlavaForConditionalGeneration) -> None:
    """Training sees twelve questions in a row, a study one: logits must be those of Hugging Face's own forward."""
    scene = held_out("val", 1)[0]
    asked = [question.text for question in scene.questions[:3]]
    processor = build_processor()
    pixels = processor.image_processor(scene.image, return_tensors="pt")["pixel_values"]
    words = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in asked]
    tokens = torch.tensor([[ids + [0] * (QUESTION_LENGTH - len(ids)) for ids in words]])
    length = torch.tensor([[len(ids) for ids in words]])
    kept = torch.arange(196)[None]
    for compacted in (False, True):  # the same thing while nothing is dropped
        blocks, _ = forward(llava, features_of(llava, pixels), kept, tokens, length, compacted=compacted)
        for number, text in enumerate(asked):
            prompt = processor(images=scene.image, text=PROMPT.format(question=text), return_tensors="pt")
            whole = llava(**prompt).logits[0, -1]
            torch.testing.assert_close(blocks[0, number, 0], whole, atol=1e-3, rtol=1e-3)
    assert blocks[0, 0, 0].std() > 0.1


@torch.no_grad()
def test_no_question_sees_another(llava: LlavaForConditionalGeneration) -> None:
    scenes = [scene.scene for scene in held_out("val", 1)]
    tokens, length = question_tokens(scenes, target_only=False, seed=0)
    tokens, length = tokens[:, :4], length[:, :4]
    features, kept = torch.randn(1, 196, 128), torch.arange(0, 196, 9)[None]
    before, _ = forward(llava, features, kept, tokens, length, compacted=False)
    changed = tokens.clone()
    changed[0, 1] = changed[0, 1].flip(0)
    after, _ = forward(llava, features, kept, changed, length, compacted=False)
    same = (before == after).all(-1).all(-1)[0]
    assert same.tolist() == [True, False, True, True]


def test_subsets_are_ascending_and_prefer_objects_in_half_of_the_images() -> None:
    on_object = torch.zeros(400, 196, dtype=torch.bool)
    on_object[:, 50:60] = True
    kept = subset(on_object, 20, torch.Generator().manual_seed(0))
    assert (kept.diff() > 0).all()
    found = on_object.gather(1, kept).sum(1)
    assert 150 < (found == 10).sum() < 250  # the others hold about one by chance
    assert found[found < 10].float().mean() < 2


def run(folder: Path, *, die_at: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    generator = torch.Generator().manual_seed(1)

    def step(number: int) -> tuple[torch.Tensor, float]:
        if number == die_at:
            raise KeyboardInterrupt
        return model(torch.randn(16, 4, generator=generator)).square().mean(), 0.0

    options = {"learning_rate": 1e-2, "generator": generator, "checkpoint": folder / "c.pt"}
    train("test", {"model": model}, step, steps=12, every=4, **options)  # type: ignore[arg-type]
    return model.state_dict()


def test_resumed_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    undisturbed = run(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", die_at=7)
    resumed = run(tmp_path / "b")
    assert undisturbed.keys() == resumed.keys()
    for name, weight in undisturbed.items():
        assert torch.equal(weight, resumed[name])
    assert finished(
        tmp_path / "b" / "c.pt", {"model": nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))}, 12
    )
