"""How each family puts each task, and who may say otherwise."""

from pathlib import Path
from typing import Any

import pytest

from robust_atp.backbones import BackboneSpec, blip2, flamingo, llava, qwen2_5_vl
from robust_atp.backbones.settings import Settings
from robust_atp.backbones.tasks import Asking, check_prompt, instructions
from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION, SHORT_ANSWER

FAMILY = {SHORT_ANSWER: "<image>Question: {question} Short answer:", CAPTION: "<image>a photo of"}


@pytest.mark.parametrize(
    ("family", "short_answer", "caption"),
    [
        (
            llava,
            "USER: <image>\n{question}\nAnswer the question using a single word or phrase. ASSISTANT:",
            "USER: <image>\n{question} ASSISTANT:",
        ),
        (blip2, FAMILY[SHORT_ANSWER], FAMILY[CAPTION]),
        (
            flamingo,
            "Instruction: provide an answer to the question. Use the image to answer.\n<fake_token_around_image><image>"
            "<fake_token_around_image>Question: {question} Answer:",
            "<fake_token_around_image><image><fake_token_around_image>This is an image of",
        ),
        (
            qwen2_5_vl,
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><image>"
            "<|vision_end|>{question}\nAnswer the question using a single word or phrase.<|im_end|>\n"
            "<|im_start|>assistant\n",
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><image>"
            "<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
    ids=["llava", "blip2", "flamingo", "qwen2_5_vl"],
)
def test_families_ask_as_the_field_does(family: Any, short_answer: str, caption: str) -> None:
    asks = family._PROMPTS
    assert asks == {SHORT_ANSWER: short_answer, CAPTION: caption}
    for task, prompt in asks.items():
        assert check_prompt(prompt, task) == prompt


def test_a_chat_template_is_told_to_be_brief_only_where_a_word_is_wanted() -> None:
    assert instructions("[INST] <image>\n{question} [/INST]") == {
        SHORT_ANSWER: "[INST] <image>\n{question}\nAnswer the question using a single word or phrase. [/INST]",
        CAPTION: "[INST] <image>\n{question} [/INST]",
    }


def asking(folder: Path, **keys: Any) -> dict[str, Asking]:
    return dict(Settings.resolve(str(folder), BackboneSpec(str(folder), **keys), FAMILY, None).asking)


def test_the_study_goes_before_the_folder_and_the_folder_before_the_family(tmp_path: Path) -> None:
    assert asking(tmp_path) == {
        SHORT_ANSWER: Asking(FAMILY[SHORT_ANSWER], 16),
        CAPTION: Asking(FAMILY[CAPTION], 64),
    }
    captions = asking(tmp_path, prompt={CAPTION: "<image>a picture of"})
    assert captions == {
        SHORT_ANSWER: Asking(FAMILY[SHORT_ANSWER], 16),
        CAPTION: Asking("<image>a picture of", 64),
    }
    (tmp_path / "robust_atp.json").write_text('{"prompt": "<image>{question}", "max_new_tokens": 4}')
    assert set(asking(tmp_path).values()) == {Asking("<image>{question}", 4)}
    own = {"prompt": "<image> {question}?", "max_new_tokens": 7}
    assert set(asking(tmp_path, **own).values()) == {Asking("<image> {question}?", 7)}


@pytest.mark.parametrize(
    "prompt",
    ["{question}", "<image>", "{question} <image>", "<image><image> {question}", "<image>a photo of"],
)
def test_a_prompt_holds_one_image_and_then_one_question(prompt: str) -> None:
    with pytest.raises(UserError, match=r"prompt must hold <image> once and {question} once.* caption"):
        check_prompt(prompt, SHORT_ANSWER)


@pytest.mark.parametrize("prompt", ["a photo of", "{question} <image>", "<image>{question} {question}"])
def test_a_prompt_for_captions_may_do_without_the_question_but_not_without_the_image(prompt: str) -> None:
    assert check_prompt("<image>", CAPTION) == "<image>"
    with pytest.raises(UserError, match="prompt must hold <image> once"):
        check_prompt(prompt, CAPTION)
