"""Training asks Flamingo twelve questions in a row about cached features; a study asks one about an image."""

import numpy as np
import pytest
import torch
from transformers import IdeficsForVisionText2Text

from robust_atp.phantom.flamingo import PROMPT, build_flamingo, build_processor
from robust_atp.phantom.model import build_clip
from robust_atp.phantom.split import held_out
from robust_atp.phantom.training.flamingo import forward, look, resample
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, question_tokens


@pytest.fixture(scope="module")
def flamingo() -> IdeficsForVisionText2Text:
    torch.manual_seed(0)
    model = build_flamingo(build_clip()).eval()
    for name, parameter in model.named_parameters():
        if "vision_model" not in name and "latents" not in name and parameter.ndim == 2:
            parameter.data.mul_(8)  # at initialisation the answer hardly depends on the image
    return model


def features_of(flamingo: IdeficsForVisionText2Text, image: np.ndarray) -> torch.Tensor:
    pixels = build_processor().image_processor([image], return_tensors="pt")
    with torch.no_grad():
        return flamingo.model.vision_model(pixel_values=pixels).last_hidden_state


@torch.no_grad()
def test_a_block_gives_what_the_whole_prompt_gives(flamingo: IdeficsForVisionText2Text) -> None:
    scene = held_out("val", 1)[0]
    asked = [question.text for question in scene.questions[:3]]
    processor = build_processor()
    words = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in asked]
    tokens = torch.tensor([[ids + [0] * (QUESTION_LENGTH - len(ids)) for ids in words]])
    length = torch.tensor([[len(ids) for ids in words]])
    latents = resample(flamingo, features_of(flamingo, scene.image), torch.arange(196)[None])
    blocks, _ = forward(flamingo, latents, tokens, length)
    for number, text in enumerate(asked):
        prompt = processor(text=[["USER:", scene.image, text]], return_tensors="pt")
        assert (
            prompt["input_ids"][0].tolist() == processor.tokenizer(PROMPT.format(question=text))["input_ids"]
        )
        whole = flamingo(**prompt).logits[0, -1]
        torch.testing.assert_close(blocks[0, number, 0], whole, atol=1e-3, rtol=1e-3)
    assert blocks[0, 0, 0].std() > 0.1
    assert not torch.allclose(blocks[0, 0, 0], blocks[0, 1, 0], atol=1e-2)


@torch.no_grad()
def test_no_question_sees_another(flamingo: IdeficsForVisionText2Text) -> None:
    tokens, length = question_tokens([held_out("val", 1)[0].scene], target_only=False, seed=0)
    tokens, length = tokens[:, :4], length[:, :4]
    latents = torch.randn(1, 64, 128)
    before, _ = forward(flamingo, latents, tokens, length)
    changed = tokens.clone()
    changed[0, 1] = changed[0, 1].flip(0)
    after, _ = forward(flamingo, latents, changed, length)
    same = (before == after).all(-1).all(-1)[0]
    assert same.tolist() == [True, False, True, True]


@torch.no_grad()
def test_latents_see_the_kept_patches_and_the_class_token_alone(flamingo: IdeficsForVisionText2Text) -> None:
    features, kept = features_of(flamingo, held_out("val", 1)[0].image), torch.tensor([[3, 40, 100]])
    before = resample(flamingo, features, kept)
    for place, seen in ((0, True), (1 + 3, True), (1 + 4, False), (1 + 100, True), (100, False)):
        changed = features.clone()
        changed[0, place] = torch.randn(128)
        assert torch.equal(resample(flamingo, changed, kept), before) is not seen


def test_looking_is_what_the_tower_hands_on(flamingo: IdeficsForVisionText2Text) -> None:
    image = held_out("val", 1)[0].image
    pixels = build_processor().image_processor([image], return_tensors="pt")
    seen = look(flamingo, pixels)
    assert seen.shape == (1, 197, 128)
    error = (seen.float() - features_of(flamingo, image)).std() / seen.float().std()
    assert error < 0.02  # bfloat16
