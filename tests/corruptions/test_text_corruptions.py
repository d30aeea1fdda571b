import re
from difflib import SequenceMatcher

import pytest

from corruptions import corrupt, ladder, names
from corruptions.check_text import QUESTIONS
from corruptions.phrases import DISTRACTORS, PARAPHRASES

LONG = QUESTIONS[1]
WORDS = LONG.rstrip("?").split()


def changed_words(text):
    return sum(ours != theirs for ours, theirs in zip(text.rstrip("?").split(), WORDS, strict=True))


@pytest.mark.parametrize("name", names("text"))
def test_another_key_asks_another_way_and_the_same_key_the_same(name):
    ways = {tuple(ladder(LONG, name, key=key)) for key in range(12)}
    assert len(ways) > 1
    assert ladder(LONG, name, key=3) == ladder(LONG, name, key=3)


def test_typos_hit_more_and_more_words_by_one_slip_each():
    counts = []
    for text in ladder(LONG, "typos", key="k"):
        counts.append(changed_words(text))
        for ours, theirs in zip(text.split(), LONG.split(), strict=True):
            assert ours[0] == theirs[0]
            assert abs(len(ours) - len(theirs)) <= 1
            assert SequenceMatcher(None, ours, theirs).ratio() >= 0.5
    assert counts[0] >= 1
    assert counts == sorted(counts)
    assert counts[-1] >= 0.6 * len(WORDS)


def test_casing_changes_nothing_else():
    texts = ladder(LONG, "casing", key="k")
    assert all(text.lower() == LONG.lower() for text in texts)
    loud = [sum(word.isupper() for word in text.split()) for text in texts]
    assert loud == sorted(loud)
    assert texts[-1] == LONG.upper()


def test_word_order_keeps_the_words_and_moves_them_further_and_further():
    moved = []
    for key in range(20):
        distances = []
        for text in ladder(LONG, "word_order", key=key):
            words = text.rstrip("?").split()
            assert text.endswith("?")
            assert sorted(words) == sorted(WORDS)
            assert words != WORDS
            distances.append(sum(ours != theirs for ours, theirs in zip(words, WORDS, strict=True)))
        moved.append(distances)
    means = [sum(column) / len(column) for column in zip(*moved, strict=True)]
    assert means == sorted(means)


def test_the_question_is_whole_inside_its_phrases():
    for severity in range(1, 6):
        for key in range(5):
            asked = corrupt(LONG, "paraphrase", severity, key=key)
            assert asked.count(LONG) == 1
            assert any(
                asked == template.replace("{question}", LONG) for template in PARAPHRASES[severity - 1]
            )
            before = corrupt(LONG, "distractor", severity, key=key).removesuffix(LONG).strip()
            sentences = re.findall(r"[^.]+\.", before)
            assert len(sentences) == (1, 2, 3, 5, 8)[severity - 1]
            assert {sentence.strip() for sentence in sentences} <= set(DISTRACTORS)


def test_braces_in_a_question_stay():
    assert "{x} {question}" in corrupt("{x} {question}", "paraphrase", 1)
