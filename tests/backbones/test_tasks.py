"""The same checkpoint, asked for short answers and for captions."""

from pathlib import Path
from typing import Any

import pytest

from robust_atp.backbones import BackboneSpec
from robust_atp.backbones.settings import Settings
from robust_atp.backbones.tasks import MAX_NEW_TOKENS, template_for
from robust_atp.tasks import CAPTION, SHORT_ANSWER

LLAVA = "USER: <image>\n{question}\nAnswer the question using a single word or phrase. ASSISTANT:"


@pytest.mark.parametrize(
    ("template", "for_captions"),
    [
        (LLAVA, "USER: <image>\n{question} ASSISTANT:"),
        ("<image>Question: {question} Short answer:", "<image>{question}"),
        ("<image>{question}", "<image>{question}"),
    ],
)
def test_a_caption_is_not_asked_for_in_a_word(template: str, for_captions: str) -> None:
    assert template_for(CAPTION, template) == for_captions
    assert template_for(SHORT_ANSWER, template) == template


def settings(folder: Path, task: str, **keys: Any) -> tuple[str, int]:
    resolved = Settings.resolve(str(folder), BackboneSpec(str(folder), task=task, **keys), LLAVA, None)
    return resolved.prompt, resolved.max_new_tokens


def test_the_task_decides_what_nobody_else_says(tmp_path: Path) -> None:
    assert settings(tmp_path, SHORT_ANSWER) == (LLAVA, MAX_NEW_TOKENS[SHORT_ANSWER])
    assert settings(tmp_path, CAPTION) == ("USER: <image>\n{question} ASSISTANT:", 64)
    own = {"prompt": "<image> {question}?", "max_new_tokens": 7}
    assert settings(tmp_path, CAPTION, **own) == ("<image> {question}?", 7)
    (tmp_path / "robust_atp.json").write_text('{"prompt": "<image>{question}", "max_new_tokens": 4}')
    assert settings(tmp_path, CAPTION) == ("<image>{question}", 4)
