"""How each task is put to a backbone, and how long its answer may be."""

from collections.abc import Mapping
from dataclasses import dataclass

from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION, SHORT_ANSWER

IMAGE = "<image>"

# What LLaVA-1.5 was tuned with for VQAv2 and GQA, and what evaluations ask other models with too.
IN_A_WORD = "Answer the question using a single word or phrase."

# As LLaVA's own scripts and lmms-eval have it.
MAX_NEW_TOKENS: Mapping[str, int] = {SHORT_ANSWER: 16, CAPTION: 64}


@dataclass(frozen=True)
class Asking:
    """How one task is put to a backbone: a template with ``<image>`` and ``{question}``, and the longest answer."""

    prompt: str
    max_new_tokens: int


def instructions(template: str) -> dict[str, str]:
    """Prompts by task of a model that does as told: ``template``, with a request where a word or two is wanted."""
    return {
        SHORT_ANSWER: template.replace("{question}", f"{{question}}\n{IN_A_WORD}"),
        CAPTION: template,
    }


def check_prompt(prompt: str, task: str) -> str:
    """Return ``prompt`` if it holds one image followed by one question, else raise ``UserError``.

    A caption can be asked for without a question: BLIP-2 goes on writing after "a photo of".
    """
    image, question = prompt.find(IMAGE), prompt.find("{question}")
    in_order = question > image or (question < 0 and task == CAPTION)
    if in_order and prompt.count(IMAGE) == 1 and prompt.count("{question}") <= 1:
        return prompt
    remark = "" if task == CAPTION else "; one for captions alone, {caption: …}, may do without the question"
    raise UserError(
        f"prompt must hold {IMAGE} once and {{question}} once, in this order; got {prompt!r}{remark}"
    )
