"""From generated token ids to answers."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from robust_atp.backbones.greedy import Continuations
from robust_atp.backbones.prompt import first_token_ids
from robust_atp.backbones.seam import Answer


class ReadOut:
    """What of a tokenizer and a generation config decides where answers end and how they read."""

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        whole: Any = model
        configured = whole.generation_config.eos_token_id
        self.end_ids = _end_ids(tokenizer.eos_token_id if configured is None else configured)
        self._tokenizer = tokenizer
        self._yes = first_token_ids(tokenizer, "yes")
        self._no = first_token_ids(tokenizer, "no")

    def __call__(
        self, result: Continuations, costs: Sequence[float], tokens_llm: int | None = None
    ) -> list[Answer]:
        """Answers of B prompts with their prefill costs, all with ``tokens_llm`` visual tokens: see ``Answer``."""
        texts = self._tokenizer.batch_decode(result.token_ids, skip_special_tokens=True)
        best = result.first_logprobs.amax(-1).tolist()
        margins = self._yes_no_margins(result.first_logprobs)
        fields = zip(texts, result.token_ids, best, margins, costs, strict=True)
        return [Answer(text.strip(), *rest, tokens_llm=tokens_llm) for text, *rest in fields]

    def _yes_no_margins(self, logprobs: Tensor) -> list[float]:
        if not self._yes or not self._no:
            return [float("nan")] * len(logprobs)
        return (logprobs[:, self._yes].logsumexp(-1) - logprobs[:, self._no].logsumexp(-1)).tolist()


def _end_ids(chosen: int | list[int] | None) -> frozenset[int]:
    if chosen is None:
        return frozenset()
    return frozenset([chosen] if isinstance(chosen, int) else chosen)
