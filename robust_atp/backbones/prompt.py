"""Prompt templates, and their tokens on both sides of the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from robust_atp.errors import UserError

IMAGE = "<image>"

# What LLaVA-1.5 was tuned with for VQAv2 and GQA, and what evaluations ask other models with too.
SHORT_ANSWER = "Answer the question using a single word or phrase."


@dataclass(frozen=True)
class Template:
    """A prompt with ``<image>`` and ``{question}``, and how the tokenizer spells the image's placeholder."""

    prompt: str
    image_token: str
    image_token_id: int
    image_first: bool = False
    """Whether the image stands before the token that begins a text, as in BLIP-2, whose prompts begin with it."""


@dataclass(frozen=True)
class PromptTokens:
    """Token ids before and after the image."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def chat_prompt(processor: Any) -> str | None:
    """Put an image and a question with a request for a short answer into a processor's chat template.

    None if it has none.
    """
    if not processor.chat_template:
        return None
    content = [{"type": "image"}, {"type": "text", "text": f"{{question}}\n{SHORT_ANSWER}"}]
    chat = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    # The tokenizer puts its beginning in front of every text; templates that do so too would double it.
    beginning = processor.tokenizer.bos_token
    if beginning and processor.tokenizer("")["input_ids"][:1] == [processor.tokenizer.bos_token_id]:
        text = text.removeprefix(beginning)
    return text.replace(processor.image_token, IMAGE)


def check_template(template: str) -> str:
    """Return ``template`` if it holds one image followed by one question, else raise ``UserError``."""
    image, question = template.find(IMAGE), template.find("{question}")
    if template.count(IMAGE) != 1 or template.count("{question}") != 1 or question < image:
        raise UserError(
            f"prompt must hold {IMAGE} once and {{question}} once, in this order; got {template!r}"
        )
    return template


def tokenize_prompts(
    tokenizer: PreTrainedTokenizerBase, template: Template, questions: Sequence[str]
) -> list[PromptTokens]:
    """Tokenise each question inside the template, special tokens included, and cut it at the image.

    ``UserError`` if a question itself holds the image's placeholder.
    """
    if not questions:
        return []  # tokenizers fail on an empty batch
    placeholder = "" if template.image_first else template.image_token
    text = template.prompt.replace(IMAGE, placeholder)
    texts = [text.replace("{question}", question) for question in questions]
    prompts = []
    for question, ids in zip(questions, tokenizer(texts)["input_ids"], strict=True):
        ids = [template.image_token_id, *ids] if template.image_first else ids
        if ids.count(template.image_token_id) != 1:
            raise UserError(
                f"a question must not hold the placeholder {template.image_token}; got {question!r}"
            )
        cut = ids.index(template.image_token_id)
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
