"""Prompts as tokens, on both sides of the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from robust_atp.backbones.tasks import IMAGE
from robust_atp.errors import UserError


@dataclass(frozen=True)
class ImageToken:
    """How a tokenizer spells the image's placeholder."""

    text: str
    id: int
    first: bool = False
    """Whether the image stands before the token that begins a text, as in BLIP-2, whose prompts begin with it."""


@dataclass(frozen=True)
class PromptTokens:
    """Token ids before and after the image."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def chat_prompt(processor: Any) -> str | None:
    """Put an image and ``{question}`` into a processor's chat template; None if it has none."""
    if not processor.chat_template:
        return None
    content = [{"type": "image"}, {"type": "text", "text": "{question}"}]
    chat = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    # The tokenizer puts its beginning in front of every text; templates that do so too would double it.
    beginning = processor.tokenizer.bos_token
    if beginning and processor.tokenizer("")["input_ids"][:1] == [processor.tokenizer.bos_token_id]:
        text = text.removeprefix(beginning)
    return text.replace(processor.image_token, IMAGE)


def tokenize_prompts(
    tokenizer: PreTrainedTokenizerBase, prompt: str, image: ImageToken, questions: Sequence[str]
) -> list[PromptTokens]:
    """Tokenise each question inside the template ``prompt``, special tokens included, and cut it at the image.

    ``UserError`` if a question itself holds the image's placeholder.
    """
    if not questions:
        return []  # tokenizers fail on an empty batch
    text = prompt.replace(IMAGE, "" if image.first else image.text)
    texts = [text.replace("{question}", question) for question in questions]
    prompts = []
    for question, ids in zip(questions, tokenizer(texts)["input_ids"], strict=True):
        ids = [image.id, *ids] if image.first else ids
        if ids.count(image.id) != 1:
            raise UserError(f"a question must not hold the placeholder {image.text}; got {question!r}")
        cut = ids.index(image.id)
        prompts.append(PromptTokens(tuple(ids[:cut]), tuple(ids[cut + 1 :])))
    return prompts


def first_token_ids(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    """Ids of the single tokens that spell ``word`` in any capitalisation, with or without a leading space.

    LLaMA spells the answer "Yes" as one token, BPE vocabularies as " Yes"; a word that takes two tokens or
    is unknown has none.
    """
    found = set()
    for spelling in (word.lower(), word.capitalize(), word.upper()):
        for text in (spelling, f" {spelling}"):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
                found.add(ids[0])
    return sorted(found)
