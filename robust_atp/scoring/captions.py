"""Captions against the reference captions of their images: CIDEr-D, BLEU and ROUGE-L of a corpus."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from robust_atp.errors import UserError
from robust_atp.scoring.bleu import bleu
from robust_atp.scoring.cider import DocumentFrequencies, cider_d
from robust_atp.scoring.java_scores import java_score
from robust_atp.scoring.ptb_tokenizer import ptb_tokenize
from robust_atp.scoring.rouge import rouge_l

T = TypeVar("T")


def caption_scores(
    candidates: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    document_frequencies: DocumentFrequencies | None = None,
    also: Sequence[str] = (),
) -> dict[str, float]:
    """Corpus scores of one caption per image: ``cider`` in [0, 10], ``bleu1`` to ``bleu4`` and ``rouge_l`` in [0, 1].

    Ids may be numbers on one side and text on the other. ``document_frequencies`` weigh the n-grams of CIDEr-D; by
    default they come from ``references``, as in the official program, and then one image alone scores 0. For a subset
    of a data set (corrupted images, a shard) pass those of the whole: see ``document_frequencies``. Without images
    everything is nan. ``also`` asks for ``meteor`` and ``spice``, which are Java programs behind an optional extra:
    see ``java_score``.

    ``UserError`` for an image that only one side has, or that has no reference.
    """
    candidates, references = _by_text_id(candidates, "candidates"), _by_text_id(references, "references")
    _require_the_same_images(candidates, references)
    if not references:
        return dict.fromkeys(("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", *also), math.nan)
    tokens = [(ptb_tokenize(candidates[image]), _tokenized(references[image], image)) for image in references]
    pairs = [(_words(caption), [_words(reference) for reference in others]) for caption, others in tokens]
    frequencies = document_frequencies or DocumentFrequencies.of(captions for _, captions in pairs)
    scores = {"cider": sum(cider_d(*pair, frequencies) for pair in pairs) / len(pairs)}
    scores |= {f"bleu{order}": value for order, value in enumerate(bleu(pairs), start=1)}
    scores["rouge_l"] = sum(rouge_l(*pair) for pair in tokens) / len(tokens)
    lines = {
        image: (" ".join(caption), [" ".join(reference) for reference in others])
        for image, (caption, others) in zip(references, tokens, strict=True)
    }
    return scores | {name: java_score(name, lines) for name in also}


def document_frequencies(references: Iterable[Sequence[str]]) -> DocumentFrequencies:
    """Document frequencies over images, each with its reference captions as they are written."""
    return DocumentFrequencies.of(
        [_words(ptb_tokenize(caption)) for caption in captions] for captions in references
    )


def caption_score(prediction: str, answers: Sequence[str], frequencies: DocumentFrequencies) -> float:
    """CIDEr-D of one caption under fixed document frequencies, divided by 10 to lie in [0, 1]."""
    references = [_words(tokens) for tokens in _tokenized(answers)]
    return cider_d(_words(ptb_tokenize(prediction)), references, frequencies) / 10


def _words(tokens: Sequence[str]) -> list[str]:
    # CIDEr and BLEU split again at any white space, ROUGE does not: to it "1 1/2", joined by a no-break space, is one.
    return " ".join(tokens).split()


def _tokenized(captions: Sequence[str], image: str = "") -> list[list[str]]:
    if isinstance(captions, str) or not captions:
        raise UserError(f"image {image} needs a list of at least one reference caption, got {captions!r}")
    return [ptb_tokenize(caption) for caption in captions]


def _by_text_id(captions: Mapping[Any, T], what: str) -> dict[str, T]:
    renamed = {str(image): caption for image, caption in captions.items()}
    if len(renamed) != len(captions):
        raise UserError(f"{what} hold an image id both as a number and as text")
    return renamed


def _require_the_same_images(candidates: Mapping[str, object], references: Mapping[str, object]) -> None:
    for only, here, there in (
        (references.keys() - candidates.keys(), "references", "candidates"),
        (candidates.keys() - references.keys(), "candidates", "references"),
    ):
        if only:
            raise UserError(f"{len(only)} images are in {here} but not in {there}, e.g. {min(only)}")
