import json
from pathlib import Path

import pytest

from robust_atp.scoring import ptb_tokenize

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ptb_tokens.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: repr(case["text"]))
def test_tokens_equal_the_official_program(case):
    assert ptb_tokenize(case["text"]) == case["tokens"]


def test_captions_of_coco(third_party_golden):
    for case in third_party_golden("ptb_tokenizer"):
        assert " ".join(ptb_tokenize(case["caption"])) == case["tokens"]


def test_words_of_tokens_are_tokens_again():
    for case in GOLDEN["cases"]:
        tokens = ptb_tokenize(case["text"])
        plain = [token for token in tokens if token.isalnum()]
        assert ptb_tokenize(" ".join(plain)) == plain


@pytest.mark.parametrize("space", ["\n", "\t", "  ", "\u00a0", "\r\n"])
def test_any_white_space_separates(space):
    assert ptb_tokenize(f"{space}a dog{space}runs{space}") == ["a", "dog", "runs"]


def test_kelvin_is_not_taken_for_a_letter_k():
    # Case-insensitive patterns would: U+212A lies among the symbols, and its lower case is k.
    assert ptb_tokenize("five o'clock") == ["five", "o'clock"]


def test_every_character_alone_gives_at_most_one_token():
    for code in range(0x3000):
        assert len(ptb_tokenize(chr(code))) <= 1
