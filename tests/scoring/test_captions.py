import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import caption_scores, document_frequencies, ptb_tokenize, scorer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "captions.json").read_text(encoding="utf-8"))
REFERENCES = GOLDEN["references"]
NEAR = GOLDEN["candidates"]["near"]


def first(count, of):
    return dict(list(of.items())[:count])


@pytest.mark.parametrize(
    "case", GOLDEN["corpora"], ids=lambda case: f"{case['name']}, {case['first']} images"
)
def test_scores_equal_the_official_program(case):
    candidates = first(case["first"], GOLDEN["candidates"][case["name"]])
    scores = caption_scores(candidates, first(case["first"], REFERENCES))
    assert scores == pytest.approx(case["expected"], abs=1e-12)


@pytest.mark.parametrize(
    "case", GOLDEN["corpora"], ids=lambda case: f"{case['name']}, {case['first']} images"
)
def test_the_score_of_an_answer_is_its_share_of_the_corpus(case):
    references = first(case["first"], REFERENCES)
    score = scorer("cider", references.values())
    candidates = GOLDEN["candidates"][case["name"]]
    per_image = [10 * score(candidates[image], captions) for image, captions in references.items()]
    assert per_image == pytest.approx(case["cider_per_image"], abs=1e-12)


def test_captions_of_coco(third_party_golden):
    golden = third_party_golden("cider")
    for subset in golden["subsets"]:
        items = golden["items"][: subset["first_n"]]
        scores = caption_scores(
            {item["image_id"]: item["candidate"] for item in items},
            {item["image_id"]: item["references"] for item in items},
        )
        expected = {name: subset[name] for name in ("cider", "bleu4", "rouge_l")}
        assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def naive_cider(candidates, references):
    """Dense tf-idf over every n-gram of the corpus."""

    def grams(text, n):
        words = " ".join(ptb_tokenize(text)).split()
        return Counter(zip(*(words[i:] for i in range(n)), strict=False))

    total = []
    for n in (1, 2, 3, 4):
        seen = [set().union(*(grams(text, n) for text in captions)) for captions in references.values()]
        texts = [*candidates.values(), *(text for captions in references.values() for text in captions)]
        vocabulary = sorted(set().union(*(grams(text, n) for text in texts)))
        df = np.array([sum(gram in image for image in seen) for gram in vocabulary], float)
        idf = np.log(len(references)) - np.log(np.maximum(df, 1))

        def vector(text, n=n, vocabulary=vocabulary, idf=idf):
            counts = grams(text, n)
            return np.array([counts[gram] for gram in vocabulary]) * idf

        def length(text):
            return sum(grams(text, 2).values())

        for image, captions in references.items():
            h = vector(candidates[image])
            for text in captions:
                r = vector(text)
                norm = np.linalg.norm(h) * np.linalg.norm(r)
                cosine = (np.minimum(h, r) * r).sum() / norm if norm else 0
                delta = length(candidates[image]) - length(text)
                total.append(cosine * np.exp(-(delta**2) / 72) / len(captions))
    return 10 * sum(total) / 4 / len(references)


@pytest.mark.parametrize("name", GOLDEN["candidates"])
def test_cider_equals_a_dense_computation(name):
    candidates = GOLDEN["candidates"][name]
    expected = naive_cider(candidates, REFERENCES)
    assert caption_scores(candidates, REFERENCES)["cider"] == pytest.approx(expected, abs=1e-12)


def test_one_image_alone_has_no_cider_unless_frequencies_are_fixed():
    alone = first(1, NEAR), first(1, REFERENCES)
    assert caption_scores(*alone)["cider"] == 0
    fixed = document_frequencies(REFERENCES.values())
    assert caption_scores(*alone, document_frequencies=fixed)["cider"] > 1


def test_fixed_frequencies_make_the_corpus_the_mean_of_its_parts():
    fixed = document_frequencies(REFERENCES.values())
    parts = [
        caption_scores({image: NEAR[image]}, {image: REFERENCES[image]}, document_frequencies=fixed)["cider"]
        for image in REFERENCES
    ]
    assert caption_scores(NEAR, REFERENCES)["cider"] == pytest.approx(np.mean(parts), abs=1e-12)


def test_ids_may_be_numbers_here_and_text_there():
    numbered = {int(image): caption for image, caption in NEAR.items()}
    assert caption_scores(numbered, REFERENCES) == caption_scores(NEAR, REFERENCES)
    with pytest.raises(UserError, match="candidates hold an image id both as a number and as text"):
        caption_scores({1: "a", "1": "b"}, {1: ["a"]})


def test_neither_the_order_of_images_nor_of_references_matters():
    turned = {image: captions[::-1] for image, captions in reversed(REFERENCES.items())}
    assert caption_scores(NEAR, turned) == pytest.approx(caption_scores(NEAR, REFERENCES), abs=1e-12)


def test_without_images_nothing_is_defined():
    assert all(math.isnan(value) for value in caption_scores({}, {}).values())


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "1 images are in references but not in candidates, e.g. 2"),
        ({"1": "a", "2": "b"}, {"1": ["a"]}, "1 images are in candidates but not in references, e.g. 2"),
        ({"1": "a"}, {"1": []}, "image 1 needs a list of at least one reference caption, got"),
        ({"1": "a"}, {"1": "a"}, "image 1 needs a list of at least one reference caption, got 'a'"),
    ],
)
def test_what_cannot_be_scored(candidates, references, message):
    with pytest.raises(UserError, match=message):
        caption_scores(candidates, references)
