"""How each task is put to a backbone, and how long its answer may be."""

from collections.abc import Mapping

from robust_atp.tasks import CAPTION, SHORT_ANSWER

# As LLaVA's own scripts and lmms-eval have it.
MAX_NEW_TOKENS: Mapping[str, int] = {SHORT_ANSWER: 16, CAPTION: 64}

# How families ask for a short answer: LLaVA's words after the question, BLIP-2's around it.
_SHORT_ANSWERS = (
    "{question}\nAnswer the question using a single word or phrase.",
    "Question: {question} Short answer:",
)


def template_for(task: str, template: str) -> str:
    """A family's short-answer template as one for ``task``: of a caption, which is no short answer, nothing is said."""
    if task == CAPTION:
        for words in _SHORT_ANSWERS:
            template = template.replace(words, "{question}")
    return template
