"""The seam against ``generate`` of the same checkpoint, single samples and a masking emulation."""

import numpy as np
import pytest
import torch
from tiny_llava import QUESTIONS, TEMPLATE, photos

from robust_atp.backbones.seam import KeptTokens
from robust_atp.errors import UserError
from robust_atp.pruning import keep_indices

POLICIES = ["original", "compacted"]


@pytest.fixture(scope="module")
def images():
    return photos(6)


@pytest.fixture(scope="module")
def tokens(tiny_backbone, images):
    return tiny_backbone.encode(images, frozenset())


def ragged(tokens, policy, seed=0):
    """For every image a random set of a different size, 1 and N among them."""
    rng = np.random.default_rng(seed)
    sizes = [1, 16, 5, 9, 15, 2]
    return keep_indices(tokens, [rng.choice(16, size, replace=False).tolist() for size in sizes], policy)


def row(kept, q):
    return KeptTokens([kept.features[q]], [kept.indices[q]], [kept.totals[q]], kept.position_policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_keeping_all_tokens_gives_what_generate_gives(tiny_backbone, images, tokens, policy, question):
    kept = keep_indices(tokens, [range(16)] * len(images), policy)
    answers = tiny_backbone.answer(kept, [question] * len(images))
    for image, answer in zip(images, answers, strict=True):
        text = TEMPLATE.replace("{question}", question)
        inputs = tiny_backbone.processor(images=image, text=text, return_tensors="pt")
        generated = tiny_backbone.model.generate(
            **inputs, do_sample=False, max_new_tokens=4, output_logits=True, return_dict_in_generate=True
        )
        ids = generated.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        assert answer.token_ids == tuple(i for i in ids if i != 2)
        assert answer.text == tiny_backbone.processor.decode(ids, skip_special_tokens=True).strip()
        logprobs = generated.logits[0][0].log_softmax(-1)
        assert answer.first_token_logprob == pytest.approx(logprobs.max().item(), abs=1e-4)
        vocabulary = tiny_backbone.processor.tokenizer.get_vocab()
        margin = logprobs[vocabulary["yes"]] - logprobs[vocabulary["no"]]
        assert answer.yes_no_margin == pytest.approx(margin.item(), abs=1e-4)


def test_answers_depend_on_image_question_and_kept_tokens(tiny_backbone, images, tokens):
    """The other tests here compare answers: they could not fail if all answers were alike."""
    full = keep_indices(tokens, [range(16)] * len(images))
    answers = [tiny_backbone.answer(full, [q] * len(images)) for q in QUESTIONS]
    by_question = [[a.text for a in row] for row in answers]
    assert len({tuple(answers) for answers in by_question}) == len(QUESTIONS)
    assert len(set(by_question[0])) >= 5
    assert len({len(a.token_ids) for row in answers for a in row}) > 1
    pruned = {
        policy: [a.text for a in tiny_backbone.answer(ragged(tokens, policy), QUESTIONS[:1] * 6)]
        for policy in POLICIES
    }
    assert pruned["original"] != pruned["compacted"]
    assert pruned["original"] != by_question[0]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_ragged_batch_gives_what_single_samples_give(tiny_backbone, tokens, policy):
    kept = ragged(tokens, policy)
    questions = (QUESTIONS * 2)[:6]  # prompts of different lengths
    batch = tiny_backbone.answer(kept, questions)
    for q, question in enumerate(questions):
        (single,) = tiny_backbone.answer(row(kept, q), [question])
        assert batch[q].token_ids == single.token_ids
        assert batch[q].first_token_logprob == pytest.approx(single.first_token_logprob, abs=1e-4)
        assert batch[q].prefill_flops == single.prefill_flops


@pytest.mark.parametrize("policy", POLICIES)
def test_shared_beginnings_do_not_change_answers(tiny_backbone, tokens, policy):
    alone = keep_indices(tokens, [[1, 4, 9] for _ in QUESTIONS], policy, image_of=[2] * len(QUESTIONS))
    shared = keep_indices(tokens, [[1, 4, 9]] * len(QUESTIONS), policy, image_of=[2] * len(QUESTIONS))
    assert len({id(f) for f in shared.features}) == 1 < len({id(f) for f in alone.features})
    a, b = tiny_backbone.answer(alone, QUESTIONS), tiny_backbone.answer(shared, QUESTIONS)
    assert [x.token_ids for x in a] == [x.token_ids for x in b]


@pytest.mark.parametrize("policy", POLICIES)
def test_dropping_equals_masking_in_an_uncached_forward(tiny_backbone, tokens, policy):
    """Oracle: the full prompt, dropped columns masked out by a 4-D mask, every step without a cache."""
    kept = ragged(tokens, policy, seed=1)
    answers = tiny_backbone.answer(kept, [QUESTIONS[0]] * 6)
    for q, answer in enumerate(answers):
        assert answer.token_ids == masked_answer(tiny_backbone, tokens, kept, q, QUESTIONS[0])


def masked_answer(backbone, tokens, kept, q, question):
    text = TEMPLATE.replace("{question}", question).replace("<image>", "<image>" * kept.totals[q])
    ids = backbone.processor.tokenizer(text)["input_ids"]
    image = [place for place, token in enumerate(ids) if token == 4]
    seen = [p not in image or p - image[0] in kept.indices[q].tolist() for p in range(len(ids))]
    answer: list[int] = []
    while len(answer) < 4:
        visible = torch.tensor(seen + [True] * len(answer))
        embeddings = backbone.model.get_input_embeddings()(torch.tensor(ids + answer))
        embeddings[image] = tokens[q].features
        positions = (
            torch.arange(len(visible)) if kept.position_policy == "original" else visible.cumsum(0) - 1
        )
        mask = visible[None, :] & torch.ones(len(visible), len(visible), dtype=torch.bool).tril()
        mask |= torch.eye(len(visible), dtype=torch.bool)  # a masked query must see something
        with torch.no_grad():
            logits = backbone.model(
                inputs_embeds=embeddings[None],
                attention_mask=mask[None, None],
                position_ids=positions[None],
                use_cache=False,
            ).logits[0, -1]
        token = int(logits.argmax())
        if token == 2:
            break
        answer.append(token)
    return tuple(answer)


def test_questions_beyond_one_pass_are_cut_into_several(tiny_backbone, tokens, monkeypatch):
    kept, questions = ragged(tokens, "original"), (QUESTIONS * 2)[:6]
    together = tiny_backbone.answer(kept, questions)
    monkeypatch.setattr("robust_atp.backbones.llava._TOKENS_PER_PASS", 60)
    apart = tiny_backbone.answer(kept, questions)
    assert [a.token_ids for a in apart] == [a.token_ids for a in together]


def test_no_questions_no_answers(tiny_backbone):
    assert tiny_backbone.answer(KeptTokens([], [], [], "original"), []) == []


def test_an_image_is_encoded_alike_alone_and_in_a_batch(tiny_backbone, images):
    batch = tiny_backbone.encode(images, tiny_backbone.provides)
    for image, beside in zip(images, batch, strict=True):
        (alone,) = tiny_backbone.encode([image], tiny_backbone.provides)
        assert alone.grid == beside.grid == (4, 4)
        torch.testing.assert_close(alone.features, beside.features, rtol=1e-4, atol=1e-4)
        assert alone.signals.keys() == beside.signals.keys() == tiny_backbone.provides
        for name, signal in alone.signals.items():
            torch.testing.assert_close(signal, beside.signals[name], rtol=1e-4, atol=1e-5)


def test_a_question_may_not_hold_the_image_placeholder(tiny_backbone, tokens):
    kept = keep_indices(tokens, [[0]], "original")
    with pytest.raises(UserError, match="must not hold the placeholder <image>"):
        tiny_backbone.answer(kept, ["is <image> red"])


def test_an_unknown_signal_is_refused(tiny_backbone, images):
    with pytest.raises(UserError, match="lacks signal 'values:last'"):
        tiny_backbone.encode(images[:1], frozenset({"values:last"}))
