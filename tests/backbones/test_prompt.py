"""Answer words and prompts in different vocabularies."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from robust_atp.backbones.prompt import ImageToken, first_token_ids, tokenize_prompts


def bpe(words):
    """A byte-level vocabulary in which a space before a word belongs to its token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges, vocabulary = [], {letter: number for number, letter in enumerate(letters)}
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary[word[:end]] = len(vocabulary)
                merges.append((word[: end - 1], word[end - 1]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_all_spellings_that_are_one_token_count():
    tokenizer = bpe(["ĠYes", "Ġyes", "No"])
    ids = tokenizer.get_vocab()
    assert first_token_ids(tokenizer, "yes") == sorted([ids["ĠYes"], ids["Ġyes"]])
    assert first_token_ids(tokenizer, "no") == [ids["No"]]


def test_a_word_that_the_vocabulary_lacks_has_no_ids(tiny_backbone):
    tokenizer = tiny_backbone.processor.tokenizer
    assert first_token_ids(tokenizer, "maybe") == []
    assert first_token_ids(tokenizer, "yes") == [tokenizer.get_vocab()["yes"]]


def test_margin_is_nan_where_the_vocabulary_lacks_the_words(tiny_backbone, monkeypatch):
    import torch

    words = tiny_backbone.language.words
    monkeypatch.setattr(words, "_no", [])
    assert words._yes_no_margins(torch.zeros(2, 42)) == pytest.approx([float("nan")] * 2, nan_ok=True)


def test_the_image_cuts_a_prompt_in_two(tiny_backbone):
    tokenizer = tiny_backbone.processor.tokenizer
    image = ImageToken("<image>", 4)
    (prompt,) = tokenize_prompts(tokenizer, "USER: <image>\n{question} ASSISTANT:", image, ["how many"])
    assert tokenizer.convert_ids_to_tokens(prompt.before) == ["<s>", "USER", ":"]
    assert tokenizer.convert_ids_to_tokens(prompt.after) == ["how", "many", "ASSISTANT", ":"]
