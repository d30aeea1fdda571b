"""From questions to the tokens of a prompt, and from generated tokens to answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from robust_atp.backbones.greedy import Continuations
from robust_atp.backbones.prompt import ImageToken, PromptTokens, first_token_ids, tokenize_prompts
from robust_atp.backbones.seam import Answer
from robust_atp.backbones.tasks import Asking


class Words:
    """A tokenizer, how questions are put to its model, and when an answer ends."""

    def __init__(
        self,
        tokenizer: Any,
        image: ImageToken,
        end_ids: int | list[int] | None,
        asking: Mapping[str, Asking],
    ) -> None:
        """``asking`` is by task; ``end_ids`` are those of the model that generates; None: the tokenizer's."""
        self.tokenizer = tokenizer
        self.image = image
        self.asking = asking
        self.end_ids = _as_set(tokenizer.eos_token_id if end_ids is None else end_ids)
        self._yes = first_token_ids(tokenizer, "yes")
        self._no = first_token_ids(tokenizer, "no")

    def tokenize(self, questions: Sequence[str], task: str) -> list[PromptTokens]:
        """Tokens of each question's prompt, on both sides of the image."""
        return tokenize_prompts(self.tokenizer, self.asking[task].prompt, self.image, questions)

    def read_out(self, result: Continuations, costs: Sequence[float]) -> list[Answer]:
        """Answers of B prompts, each with its prefill cost."""
        texts = self.tokenizer.batch_decode(result.token_ids, skip_special_tokens=True)
        best = result.first_logprobs.amax(-1).tolist()
        margins = self._yes_no_margins(result.first_logprobs)
        fields = zip(texts, result.token_ids, best, margins, costs, result.first_logprobs, strict=True)
        return [
            Answer(text.strip(), ids, logprob, margin, cost, first_logprobs=logprobs)
            for text, ids, logprob, margin, cost, logprobs in fields
        ]

    def _yes_no_margins(self, logprobs: Tensor) -> list[float]:
        if not self._yes or not self._no:
            return [float("nan")] * len(logprobs)
        return (logprobs[:, self._yes].logsumexp(-1) - logprobs[:, self._no].logsumexp(-1)).tolist()


def _as_set(end_ids: int | list[int] | None) -> frozenset[int]:
    if end_ids is None:
        return frozenset()
    return frozenset([end_ids] if isinstance(end_ids, int) else end_ids)
