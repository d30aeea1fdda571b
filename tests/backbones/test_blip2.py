"""BLIP-2 against ``generate`` of the same checkpoint, single samples and masking emulations."""

import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_blip2 import LANGUAGES, QUERIES, TEMPLATE, load_blip2
from tiny_llava import QUESTIONS, photos

from robust_atp.errors import UserError
from robust_atp.pruning import build_pruner, keep_indices

PATCHES = 16


@dataclass(frozen=True)
class Row:
    """One way of having a BLIP-2. Every test below runs on all of them."""

    language: str
    prunes: str

    @property
    def total(self):
        return PATCHES if self.prunes == "patches" else QUERIES

    @property
    def policies(self):
        return (
            ["compacted"] if (self.language, self.prunes) == ("t5", "queries") else ["compacted", "original"]
        )


ROWS = [Row(language, prunes) for language in LANGUAGES for prunes in ("patches", "queries")]
FIRST = ROWS[0]


@pytest.fixture(scope="module")
def backbones(tiny_blip2_folders):
    return {row: load_blip2(tiny_blip2_folders[row.language], options={"prunes": row.prunes}) for row in ROWS}


@pytest.fixture(params=ROWS, ids=lambda row: f"{row.language}-{row.prunes}")
def row(request):
    return request.param


@pytest.fixture
def backbone(backbones, row):
    return backbones[row]


def ragged(row, tokens, policy, seed=0):
    """For every image a random set of a different size, 1 and N among them."""
    rng = np.random.default_rng(seed)
    sizes = [1, row.total, 5, 3, row.total - 1, 2]
    return keep_indices(
        tokens, [rng.choice(row.total, size, replace=False).tolist() for size in sizes], policy
    )


def inputs_of(backbone, images, question):
    text = TEMPLATE.replace("<image>", "").replace("{question}", question)
    inputs = backbone.processor(images=images, text=[text] * len(images), return_tensors="pt")
    return inputs.to(backbone.model.dtype)


def answer_of(backbone, sequence, prompt_length):
    start = prompt_length if backbone.model.config.use_decoder_only_language_model else 1
    tokens = sequence.tolist()[start:]
    return tuple(tokens[: tokens.index(2)] if 2 in tokens else tokens)


@pytest.mark.parametrize("question", QUESTIONS)
def test_keeping_all_tokens_gives_what_generate_gives(backbone, row, question):
    images = photos(4)
    tokens = backbone.encode(images, frozenset())
    answers = backbone.answer(keep_indices(tokens, [range(row.total)] * 4), [question] * 4)
    for answer, (ids, logprobs) in zip(answers, generated(backbone, images, question), strict=True):
        assert answer.token_ids == ids
        assert answer.text == backbone.processor.decode(ids, skip_special_tokens=True).strip()
        assert answer.first_token_logprob == pytest.approx(logprobs.max().item(), abs=1e-4)
        vocabulary = backbone.processor.tokenizer.get_vocab()
        margin = logprobs[vocabulary["yes"]] - logprobs[vocabulary["no"]]
        assert answer.yes_no_margin == pytest.approx(margin.item(), abs=1e-4)


def test_in_half_precision_the_q_former_stays_in_single(tiny_blip2_folders):
    backbone = load_blip2(tiny_blip2_folders["opt"], dtype="float16")
    images = photos(2)
    tokens = backbone.encode(images, frozenset())
    assert tokens[0].features.dtype == torch.float16
    assert backbone.model.qformer.dtype == torch.float32
    answers = backbone.answer(keep_indices(tokens, [range(PATCHES)] * 2), QUESTIONS[1:2] * 2)
    for answer, (_, logprobs) in zip(answers, generated(backbone, images, QUESTIONS[1]), strict=True):
        # Half precision rounds a prefill in two parts otherwise than one in one piece.
        assert answer.first_token_logprob == pytest.approx(logprobs.max().item(), abs=0.1)


def generated(backbone, images, question):
    """Greedy ``generate`` of the checkpoint: ids and the first token's log-probabilities for each image."""
    inputs = inputs_of(backbone, images, question)
    output = backbone.model.generate(
        **inputs, do_sample=False, max_new_tokens=4, output_logits=True, return_dict_in_generate=True
    )
    length = inputs["input_ids"].shape[1]
    return [
        (answer_of(backbone, sequence, length), logits.float().log_softmax(-1))
        for sequence, logits in zip(output.sequences, output.logits[0], strict=True)
    ]


def test_answers_depend_on_image_question_and_kept_tokens(backbone, row):
    """The other tests here compare answers: they could not fail if all answers were alike."""
    tokens = backbone.encode(photos(6), frozenset())
    full = keep_indices(tokens, [range(row.total)] * 6)
    answers = [[a.token_ids for a in backbone.answer(full, [question] * 6)] for question in QUESTIONS]
    assert len({tuple(of_question) for of_question in answers}) == len(QUESTIONS)
    assert all(len(set(of_question)) >= 2 for of_question in answers[1:])
    pruned = backbone.answer(ragged(row, tokens, "compacted"), QUESTIONS[1:2] * 6)
    assert [a.token_ids for a in pruned] != answers[1]


def test_a_ragged_batch_gives_what_single_samples_give(backbone, row):
    tokens = backbone.encode(photos(6), frozenset())
    questions = (QUESTIONS * 2)[:6]  # prompts of different lengths
    for policy in row.policies:
        kept = ragged(row, tokens, policy)
        batch = backbone.answer(kept, questions)
        for q, question in enumerate(questions):
            single = keep_indices([tokens[q]], [kept.indices[q]], policy)
            (alone,) = backbone.answer(single, [question])
            assert batch[q].token_ids == alone.token_ids
            # T5 does not scale its logits, and the tiny weights are scaled up.
            assert batch[q].first_token_logprob == pytest.approx(alone.first_token_logprob, abs=2e-3)
            assert batch[q].prefill_flops == alone.prefill_flops


def test_shared_tokens_do_not_change_answers(backbone):
    tokens = backbone.encode(photos(3), frozenset())
    alone = keep_indices(tokens, [[1, 4, 5] for _ in QUESTIONS], image_of=[2] * len(QUESTIONS))
    shared = keep_indices(tokens, [[1, 4, 5]] * len(QUESTIONS), image_of=[2] * len(QUESTIONS))
    a, b = backbone.answer(alone, QUESTIONS), backbone.answer(shared, QUESTIONS)
    assert [x.token_ids for x in a] == [x.token_ids for x in b]


@pytest.mark.parametrize("language", LANGUAGES)
def test_dropping_patches_equals_masking_them_in_the_q_former(backbones, language):
    """Oracle: all patches, those that are dropped masked out of cross-attention; then the model's own ``generate``."""
    row = Row(language, "patches")
    backbone, images = backbones[row], photos(6)
    kept = ragged(row, backbone.encode(images, frozenset()), "compacted", seed=1)
    answers = backbone.answer(kept, [QUESTIONS[1]] * 6)
    for image, indices, answer in zip(images, kept.indices, answers, strict=True):
        mask = torch.zeros(1, 1 + PATCHES, dtype=torch.long)
        mask[0, 0] = mask[0, 1 + indices] = 1
        assert answer.token_ids == generated_with(backbone, image, QUESTIONS[1], mask, range(QUERIES))


@pytest.mark.parametrize("language", LANGUAGES)
def test_dropping_queries_gives_what_generate_gives_on_the_shorter_prompt(backbones, language):
    row = Row(language, "queries")
    backbone, images = backbones[row], photos(6)
    kept = ragged(row, backbone.encode(images, frozenset()), "compacted", seed=1)
    answers = backbone.answer(kept, [QUESTIONS[1]] * 6)
    for image, indices, answer in zip(images, kept.indices, answers, strict=True):
        mask = torch.ones(1, 1 + PATCHES, dtype=torch.long)
        assert answer.token_ids == generated_with(backbone, image, QUESTIONS[1], mask, indices.tolist())


def generated_with(backbone, image, question, mask, queries):
    """Answer of the checkpoint's parts called one by one, with masked patches and with only some queries."""
    model, inputs = backbone.model, inputs_of(backbone, [image], question)
    with torch.no_grad():
        seen = model.vision_model(inputs["pixel_values"]).last_hidden_state
        asked = model.qformer(
            query_embeds=model.query_tokens, encoder_hidden_states=seen, encoder_attention_mask=mask
        ).last_hidden_state
        visual = model.language_projection(asked)[:, list(queries)]
        ids = inputs["input_ids"][:, QUERIES:]
        embeddings = torch.cat([visual, model.get_input_embeddings()(ids)], 1)
        ones = torch.ones(embeddings.shape[:2], dtype=torch.long)
        sequence = model.language_model.generate(
            inputs_embeds=embeddings, attention_mask=ones, do_sample=False, max_new_tokens=4
        )[0]
    return answer_of(backbone, sequence, 0)


def test_queries_keep_their_positions_in_opt(backbones):
    """Oracle: the full prompt, dropped columns masked by a 4-D mask, the first token's distribution without a cache."""
    row = Row("opt", "queries")
    backbone, images = backbones[row], photos(6)
    tokens = backbone.encode(images, frozenset())
    kept = ragged(row, tokens, "original", seed=2)
    answers = backbone.answer(kept, [QUESTIONS[1]] * 6)
    compacted = backbone.answer(keep_indices(tokens, kept.indices, "compacted"), [QUESTIONS[1]] * 6)
    assert [a.first_token_logprob for a in answers] != [a.first_token_logprob for a in compacted]
    for q, (image, answer) in enumerate(zip(images, answers, strict=True)):
        ids = inputs_of(backbone, [image], QUESTIONS[1])["input_ids"][0]
        embeddings = backbone.model.get_input_embeddings()(ids).clone()
        embeddings[:QUERIES] = tokens[q].features
        seen = torch.ones(len(ids), dtype=torch.bool)
        seen[:QUERIES] = False
        seen[kept.indices[q]] = True
        mask = seen[None, :] & torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
        mask |= torch.eye(len(ids), dtype=torch.bool)
        with torch.no_grad():
            logits = backbone.model.language_model(
                inputs_embeds=embeddings[None],
                attention_mask=torch.where(mask, 0.0, torch.finfo(torch.float32).min)[None, None],
                position_ids=torch.arange(len(ids))[None],
                use_cache=False,
            ).logits[0, -1]
        assert answer.first_token_logprob == pytest.approx(logits.log_softmax(-1).max().item(), abs=1e-4)


def test_t5_refuses_to_keep_positions_of_queries(backbones):
    method = build_pruner("random", {"position_policy": "original"})
    for row, backbone in backbones.items():
        if "original" in row.policies:
            method.check(backbone.capabilities)
        else:
            with pytest.raises(UserError, match=r"cannot have position policy original: T5 counts positions"):
                method.check(backbone.capabilities)


def test_an_image_is_encoded_alike_alone_and_in_a_batch(backbone, row):
    signals, images = backbone.capabilities.provides, photos(4)
    for image, beside in zip(images, backbone.encode(images, signals), strict=True):
        (alone,) = backbone.encode([image], signals)
        assert alone.grid == beside.grid == ((4, 4) if row.prunes == "patches" else (1, QUERIES))
        assert alone.kind == row.prunes
        torch.testing.assert_close(alone.features, beside.features, rtol=1e-4, atol=1e-4)
        assert alone.signals.keys() == beside.signals.keys() == signals
        for name, signal in alone.signals.items():
            torch.testing.assert_close(signal, beside.signals[name], rtol=1e-4, atol=1e-4)
        assert alone.project is not None
        torch.testing.assert_close(alone.project(alone.signals["tower_features"]), alone.features)


def test_the_record_can_tell_what_entered_the_language_model(backbone, row):
    tokens = backbone.encode(photos(6), frozenset())
    kept = ragged(row, tokens, "compacted")
    entered = [answer.tokens_llm for answer in backbone.answer(kept, QUESTIONS[:1] * 6)]
    assert entered == ([QUERIES] * 6 if row.prunes == "patches" else [len(i) for i in kept.indices])


def test_objects_are_found_on_the_resized_image_and_never_among_queries(backbone, row):
    mask = np.zeros((70, 90), dtype=bool)
    mask[:35, :45] = True  # the upper left quarter, which the resize to a square keeps a quarter
    found = backbone.object_patches(mask)
    if row.prunes == "queries":
        assert found is None
    else:
        expected = np.zeros((4, 4), dtype=bool)
        expected[:2, :2] = True
        assert found.reshape(4, 4).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"config.json": {"image_token_index": 7}}, "image_token_id is 7 in config.json, but 4 in"),
        ({"config.json": {"image_token_index": None}}, "image_token_id is None in config.json, but 4 in"),
        (
            {"processor_config.json": {"num_query_tokens": 5}},
            "num_query_tokens is 6 in config.json, but 5 in",
        ),
    ],
)
def test_placeholders_that_generate_would_fill_wrongly_are_refused(
    tiny_blip2_folders, tmp_path, damage, message
):
    with pytest.raises(UserError, match=message):
        load_blip2(damaged(tiny_blip2_folders["opt"], tmp_path, damage))


def damaged(folder, target, changes):
    shutil.copytree(folder, target, dirs_exist_ok=True)
    for name, change in changes.items():
        content = json.loads((target / name).read_text())
        (target / name).write_text(json.dumps(content | change))
    return target


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"options": {"prunes": "querys"}}, r"prunes 'querys' is not one of: patches, queries .*'queries'"),
        ({"options": {"prune": "queries"}}, r"has no option 'prune'.*did you mean 'prunes'"),
        ({"prompt": "Look: <image> {question}"}, "prompt of BLIP-2 must begin with <image>"),
    ],
)
def test_wrong_options_are_refused(tiny_blip2_folders, spec, message):
    with pytest.raises(UserError, match=message):
        load_blip2(tiny_blip2_folders["opt"], **spec)


def test_a_language_model_that_is_not_supported_is_refused(tiny_blip2_folders, tmp_path):
    text = {"text_config": {"model_type": "llama", "hidden_size": 32}}
    with pytest.raises(UserError, match="has a language model 'llama'; supported: opt, t5"):
        load_blip2(damaged(tiny_blip2_folders["opt"], tmp_path, {"config.json": text}))


def test_a_question_may_not_hold_the_image_placeholder(backbone):
    tokens = backbone.encode(photos(1), frozenset())
    with pytest.raises(UserError, match="must not hold the placeholder <image>"):
        backbone.answer(keep_indices(tokens, [[0]]), ["is <image> red"])


def test_no_questions_no_answers(backbone):
    assert backbone.answer(keep_indices([], []), []) == []
