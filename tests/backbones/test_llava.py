"""LLaVA-1.5 beyond what the contract of all backbones says."""

import pytest
from tiny_llava import QUESTIONS, photos

from robust_atp.backbones.seam import KeptTokens
from robust_atp.errors import UserError
from robust_atp.pruning import keep_indices

POLICIES = ["original", "compacted"]


@pytest.fixture(scope="module")
def images():
    return photos(6)


@pytest.fixture(scope="module")
def tokens(tiny_backbone, images):
    return tiny_backbone.encode(images, frozenset())


@pytest.mark.parametrize("policy", POLICIES)
def test_shared_beginnings_do_not_change_answers(tiny_backbone, tokens, policy):
    alone = keep_indices(tokens, [[1, 4, 9] for _ in QUESTIONS], policy, image_of=[2] * len(QUESTIONS))
    shared = keep_indices(tokens, [[1, 4, 9]] * len(QUESTIONS), policy, image_of=[2] * len(QUESTIONS))
    assert len({id(f) for f in shared.features}) == 1 < len({id(f) for f in alone.features})
    a, b = tiny_backbone.answer(alone, QUESTIONS), tiny_backbone.answer(shared, QUESTIONS)
    assert [x.token_ids for x in a] == [x.token_ids for x in b]


def test_no_questions_no_answers(tiny_backbone):
    assert tiny_backbone.answer(KeptTokens([], [], [], "original", []), []) == []


def test_a_question_may_not_hold_the_image_placeholder(tiny_backbone, tokens):
    kept = keep_indices(tokens, [[0]], "original")
    with pytest.raises(UserError, match="must not hold the placeholder <image>"):
        tiny_backbone.answer(kept, ["is <image> red"])


def test_an_unknown_signal_is_refused(tiny_backbone, images):
    with pytest.raises(UserError, match="lacks signal 'values:last'"):
        tiny_backbone.encode(images[:1], frozenset({"values:last"}))
