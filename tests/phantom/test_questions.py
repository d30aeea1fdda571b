"""Answers are checked by a second reading: the question's text alone, solved against the list of objects."""

import re
from collections import Counter

import pytest

from robust_atp.phantom.model import UNKNOWN, build_tokenizer
from robust_atp.phantom.questions import KINDS, ask, caption, vocabulary
from robust_atp.phantom.world import COLOURS, CUE, SHAPES, Scene, sample_scene, stream

SCENES = [sample_scene("balanced", index, seed=5) for index in range(300)]


def solve(scene: Scene, text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    shapes, colours = [w for w in words if w in SHAPES], [w for w in words if w in COLOURS]

    def matching(shape: str | None = None, colour: str | None = None) -> list:
        return [o for o in scene.objects if shape in (None, o.shape) and colour in (None, o.colour)]

    def only(shape: str | None = None, colour: str | None = None):
        (found,) = matching(shape, colour)
        return found

    if words[-1] == "background":
        return scene.background
    if words[:2] == ["how", "many"]:
        return str(len(matching(colour=colours[0] if colours else None)))
    if words[:2] == ["what", "color"]:
        return only(shape=shapes[0]).colour
    if words[:2] == ["which", "shape"]:
        return only(colour=colours[0]).shape
    if words[:2] == ["which", "half"]:
        item = only(shape=shapes[0])
        if "left" in words:
            return "left" if item.x < 112 else "right"
        return "top" if item.y < 112 else "bottom"
    if words[1] == "there":
        found = matching(shapes[0] if shapes else None, colours[0] if colours else None)
        return "yes" if found else "no"
    first, second = only(shape=shapes[0]), only(shape=shapes[1])
    if "left" in words:
        return "left" if first.x < second.x else "right"
    return "above" if first.y < second.y else "below"


@pytest.mark.parametrize("kind", KINDS)
def test_answers_follow_from_the_scene(kind: str) -> None:
    asked = [(scene, ask(scene, kind, stream(kind, i))) for i, scene in enumerate(SCENES)]
    answered = [(scene, question) for scene, question in asked if question]
    assert len(answered) > 150
    for scene, question in answered:
        assert question.answer == solve(scene, question.text), (scene, question)


@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_is_right_too_often(kind: str) -> None:
    """A kind that "yes" solves measures nothing."""
    answers = Counter(q.answer for i, s in enumerate(SCENES) if (q := ask(s, kind, stream(kind, i))))
    assert answers.most_common(1)[0][1] / answers.total() < 0.6
    assert len(answers) > 1


def test_shape_questions_say_whether_the_background_suggests_the_answer() -> None:
    for index, scene in enumerate(SCENES):
        question = ask(scene, "shape", stream(index), target_only=True)
        assert question is not None
        assert question.answer == scene.objects[0].shape
        assert (
            (question.alignment == "aligned") == (CUE[scene.background] == question.answer) == scene.aligned
        )


def test_the_tokenizer_knows_every_word() -> None:
    tokenizer = build_tokenizer()
    texts = [caption(scene) for scene in SCENES[:50]]
    texts += [
        f"{q.text} {q.answer}"
        for k in KINDS
        for i, s in enumerate(SCENES[:50])
        if (q := ask(s, k, stream(i)))
    ]
    unknown = tokenizer.convert_tokens_to_ids(UNKNOWN)
    assert all(unknown not in tokenizer(text)["input_ids"] for text in texts)
    assert (
        tokenizer("What color, is the STAR?")["input_ids"] == tokenizer("what color is the star")["input_ids"]
    )
    assert len(vocabulary()) == len(set(vocabulary()))
