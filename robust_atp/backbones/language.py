"""The language model behind the seam: takes visual tokens among its text, answers greedily, is read out."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from robust_atp.backbones.branching import decode_dropping
from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.flops import DecoderShape
from robust_atp.backbones.greedy import Continuations, decode_greedily
from robust_atp.backbones.layout import distinct_prompts, image_length, passes, prompt_batch, whole_prompts
from robust_atp.backbones.profile import text_to_vision
from robust_atp.backbones.seam import Answer, KeptTokens
from robust_atp.backbones.words import Words
from robust_atp.tasks import SHORT_ANSWER

# Tokens, padding included, that one pass through the decoder may hold: 5 GB of cache for LLaVA-1.5-7B in half
# precision. Fixed, because the last bit of a row depends on who shares its batch.
TOKENS_PER_PASS = 8192


class LanguageModel:
    """Decoder, vocabulary head and tokenizer of a model whose visual tokens stand among those of the text."""

    def __init__(self, decoder: PreTrainedModel, head: nn.Module, words: Words) -> None:
        self.decoder = decoder
        self.head = head
        self.words = words

    @cached_property
    def shape(self) -> DecoderShape:
        """What decides the decoder's prefill cost."""
        return DecoderShape.of(self.decoder)

    @torch.inference_mode()
    def answer(
        self,
        kept: KeptTokens,
        questions: Sequence[str],
        dropping: Sequence[Dropping] | None = None,
        task: str = SHORT_ANSWER,
    ) -> list[Answer]:
        """Answer Q questions greedily, question q seeing only its kept tokens.

        Questions that hold the very same tensor objects in ``kept`` share one prefill of everything up to
        the end of the image. With ``dropping``, entries that hold the same objects and ask the same question
        share the layers up to where their ways of dropping part.
        """
        if dropping is not None:
            return self._answer_dropping(kept, questions, dropping, task)
        prompts, limit = self.words.tokenize(questions, task), self.words.asking[task].max_new_tokens
        answers: list[Answer] = []
        for rows in passes(kept, prompts, limit, TOKENS_PER_PASS):
            batch = prompt_batch(self.decoder.get_input_embeddings(), kept, prompts, rows)
            result = decode_greedily(self.decoder, self.head, batch, self.words.end_ids, limit)
            images = [image_length(kept, q) for q in rows]
            texts = [len(prompts[q].before) + len(prompts[q].after) for q in rows]
            costs = [
                self.shape.flops([image + text] * self.shape.layers)
                for image, text in zip(images, texts, strict=True)
            ]
            found = zip(self.words.read_out(result, costs), images, strict=True)
            answers += [replace(answer, tokens_llm=image) for answer, image in found]
        return answers

    @torch.inference_mode()
    def text_to_vision(self, kept: KeptTokens, questions: Sequence[str]) -> list[Tensor]:
        """Attention of the text after the image to each visual token, for Q questions: Q × [layers, K_q]."""
        prompts = self.words.tokenize(questions, SHORT_ANSWER)
        profiles: list[Tensor] = []
        for rows in passes(kept, prompts, 0, TOKENS_PER_PASS):
            whole = whole_prompts(self.decoder.get_input_embeddings(), kept, prompts, rows)
            profiles += text_to_vision(self.decoder, *whole)
        return profiles

    def _answer_dropping(
        self, kept: KeptTokens, questions: Sequence[str], dropping: Sequence[Dropping], task: str
    ) -> list[Answer]:
        kept, questions, prompt_of = distinct_prompts(kept, questions)
        prompts, limit = self.words.tokenize(questions, task), self.words.asking[task].max_new_tokens
        answers: dict[int, Answer] = {}
        for rows in passes(kept, prompts, limit, TOKENS_PER_PASS):
            whole = whole_prompts(self.decoder.get_input_embeddings(), kept, prompts, rows)
            entries = [q for q, prompt in enumerate(prompt_of) if prompt in rows]
            ways = [(prompt_of[q] - rows.start, dropping[q]) for q in entries]
            descents = decode_dropping(self.decoder, self.head, *whole, ways, self.words.end_ids, limit)
            costs = []
            for q, descent in zip(entries, descents, strict=True):
                text = len(prompts[prompt_of[q]].before) + len(prompts[prompt_of[q]].after)
                costs.append(self.shape.flops([text + count for count in descent.tokens_per_layer]))
            logprobs = torch.stack([descent.first_logprobs for descent in descents])
            found = self.words.read_out(Continuations([d.token_ids for d in descents], logprobs), costs)
            for q, answer, descent in zip(entries, found, descents, strict=True):
                answers[q] = replace(
                    answer,
                    cuts=descent.cuts,
                    tokens_per_layer=descent.tokens_per_layer,
                    tokens_llm=image_length(kept, prompt_of[q]),
                )
        return [answers[q] for q in range(len(prompt_of))]
