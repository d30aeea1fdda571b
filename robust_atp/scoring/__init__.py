"""Official metrics as pure functions of answers and references."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from robust_atp.errors import unknown
from robust_atp.scoring.captions import caption_score, caption_scores, document_frequencies
from robust_atp.scoring.cider import DocumentFrequencies
from robust_atp.scoring.gqa import (
    as_llava_hands_in,
    gqa_correct,
    gqa_correct_as_llava,
    gqa_correct_as_lmms_eval,
    gqa_ood_scores,
    gqa_scores,
)
from robust_atp.scoring.pope import pope_answer, pope_correct, pope_correct_as_lmms_eval, pope_scores
from robust_atp.scoring.pope_splits import object_prior, pope_splits
from robust_atp.scoring.ptb_tokenizer import ptb_tokenize
from robust_atp.scoring.vqa import exact_match, normalize_vqa, vqa_accuracy

__all__ = [
    "METRICS",
    "DocumentFrequencies",
    "as_llava_hands_in",
    "caption_scores",
    "document_frequencies",
    "gqa_correct",
    "gqa_ood_scores",
    "gqa_scores",
    "normalize_vqa",
    "object_prior",
    "pope_answer",
    "pope_correct",
    "pope_scores",
    "pope_splits",
    "ptb_tokenize",
    "scorer",
    "vqa_accuracy",
    "weighs_by_references",
]

Score = Callable[[str, Sequence[str]], float]

# What a data set calls its metric -> score of one answer in [0, 1]. After the colon, a harness's deviation from the
# official rule.
METRICS: Mapping[str, Score] = {
    "vqa": vqa_accuracy,
    "vqa:always-normalise": partial(vqa_accuracy, protocol="always-normalise"),
    "pope": pope_correct,
    "pope:lmms-eval": pope_correct_as_lmms_eval,
    "exact": exact_match,
    "gqa": gqa_correct,
    "gqa:llava": gqa_correct_as_llava,
    "gqa:lmms-eval": gqa_correct_as_lmms_eval,
}

# Those whose weights come from all references of the data set.
_CORPUS_METRICS: Mapping[str, Callable[[Iterable[Sequence[str]]], Score]] = {
    "cider": lambda references: partial(caption_score, frequencies=document_frequencies(references)),
}


def weighs_by_references(metric: str) -> bool:
    """Whether the score of an answer depends on the references of other images."""
    return metric in _CORPUS_METRICS


def scorer(metric: str, references: Iterable[Sequence[str]]) -> Score:
    """Score of one answer in [0, 1] under ``metric``. ``references`` of all images are read only if it weighs by them.

    ``cider`` is CIDEr-D / 10 with the document frequencies of ``references``, so that any subset's mean compares with
    any other's.
    """
    if metric in METRICS:
        return METRICS[metric]
    if metric in _CORPUS_METRICS:
        return _CORPUS_METRICS[metric](references)
    raise unknown("metric", metric, [*METRICS, *_CORPUS_METRICS])
