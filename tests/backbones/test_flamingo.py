"""Idefics v1 at the seam, against ``generate`` of the same checkpoint and masking emulations without a cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_flamingo import LATENTS, TEMPLATE, tiny_flamingo
from tiny_llava import QUESTIONS, photos
from torch.utils.flop_counter import FlopCounterMode

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.flamingo import Flamingo
from robust_atp.backbones.seam import KeptTokens
from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS, build_pruner, keep_indices

KINDS = ["patches", "queries", "without a resampler"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        resampler: tiny_flamingo(tmp_path_factory.mktemp("flamingo"), resampler=resampler)
        for resampler in (True, False)
    }


@pytest.fixture(scope="module", params=KINDS)
def backbone(request, folders):
    return load(folders[request.param != KINDS[2]], "queries" if request.param == "queries" else "patches")


def load(folder, prunes="patches", dtype="float32"):
    loaded = load_backbone(BackboneSpec(str(folder), dtype=dtype, options={"prunes": prunes}))
    assert isinstance(loaded, Flamingo)
    return loaded


@pytest.fixture(scope="module")
def images():
    return photos(6)


@pytest.fixture(scope="module")
def tokens(backbone, images):
    return backbone.encode(images)


def whole(tokens):
    return keep_indices(tokens, [range(len(image.features)) for image in tokens])


def ragged(tokens, seed=0):
    """For every image a random set of a different size, 1 and all among them."""
    rng = np.random.default_rng(seed)
    total = len(tokens[0].features)
    sizes = [1, total, 5, total - 1, 3, 2]
    return keep_indices(tokens, [rng.choice(total, size, replace=False).tolist() for size in sizes])


def row(kept, q):
    return KeptTokens(
        [kept.features[q]], [kept.indices[q]], [kept.totals[q]], kept.position_policy, [kept.off_grid[q]]
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_keeping_all_tokens_gives_what_generate_gives(backbone, images, tokens, question):
    answers = backbone.answer(whole(tokens), [question] * len(images))
    for image, answer in zip(images, answers, strict=True):
        inputs = backbone.processor(text=[["USER:", image, f"{question} ASSISTANT:"]], return_tensors="pt")
        generated = backbone.model.generate(
            **inputs, do_sample=False, max_new_tokens=4, output_logits=True, return_dict_in_generate=True
        )
        ids = generated.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        assert answer.token_ids == tuple(i for i in ids if i != 2)
        logprobs = generated.logits[0][0].log_softmax(-1)
        assert answer.first_token_logprob == pytest.approx(logprobs.max().item(), abs=1e-4)
        vocabulary = backbone.processor.tokenizer.get_vocab()
        margin = logprobs[vocabulary["yes"]] - logprobs[vocabulary["no"]]
        assert answer.yes_no_margin == pytest.approx(margin.item(), abs=1e-4)


@pytest.mark.parametrize("prunes", ["patches", "queries"])
def test_half_precision_goes_through_too(folders, images, prunes):
    backbone = load(folders[True], prunes, dtype="bfloat16")
    tokens = backbone.encode(images[:1], backbone.capabilities.provides)
    assert tokens[0].features.dtype == torch.bfloat16
    (answer,) = backbone.answer(whole(tokens), QUESTIONS[1:2])
    inputs = backbone.processor(
        text=[["USER:", images[0], f"{QUESTIONS[1]} ASSISTANT:"]], return_tensors="pt"
    )
    generated = backbone.model.generate(**inputs, do_sample=False, max_new_tokens=4)
    ids = generated[0, inputs["input_ids"].shape[1] :].tolist()
    assert answer.token_ids == tuple(i for i in ids if i != 2)


def test_answers_depend_on_image_question_and_kept_tokens(backbone, images, tokens):
    """The other tests here compare answers: they could not fail if all answers were alike."""
    answers = [backbone.answer(whole(tokens), [q] * len(images)) for q in QUESTIONS]
    assert len({a.token_ids for a in answers[0]} | {a.token_ids for a in answers[1]}) > 2
    assert any(a.token_ids != b.token_ids for a, b in zip(answers[0], answers[1], strict=True))
    pruned = backbone.answer(ragged(tokens), [QUESTIONS[1]] * len(images))
    assert any(a.token_ids != b.token_ids for a, b in zip(answers[1], pruned, strict=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_dropping_equals_masking_in_an_uncached_forward(backbone, tokens, seed):
    kept = ragged(tokens, seed)
    for q, answer in enumerate(backbone.answer(kept, [QUESTIONS[1]] * 6)):
        assert answer.token_ids == masked_answer(backbone, tokens[q], kept.indices[q], QUESTIONS[1])


@torch.no_grad()
def masked_answer(backbone, image, indices, question):
    """Oracle: everything is there, what was dropped is masked, every step starts from the beginning."""
    seen = torch.zeros(len(image.features), dtype=torch.bool).index_fill(0, indices, True)
    context, name = image.features, "perceiver_embeddings"
    if image.off_grid is not None:
        context = torch.cat([image.off_grid, context])
        seen = torch.cat([torch.ones(len(image.off_grid), dtype=torch.bool), seen])
        name = "image_encoder_embeddings"
    if backbone.model.config.use_resampler and image.off_grid is not None:
        context = masked_resampler(backbone.model.model.perceiver_resampler, context, seen)
        seen, name = torch.ones(len(context), dtype=torch.bool), "perceiver_embeddings"
    ids = backbone.processor.tokenizer(TEMPLATE.replace("{question}", question))["input_ids"]
    first = ids.index(backbone.processor.image_token_id)
    answer: list[int] = []
    while len(answer) < 4:
        mask = torch.zeros(1, len(ids), len(context), dtype=torch.bool)
        mask[:, first:] = seen
        logits = backbone.model(
            input_ids=torch.tensor([ids]), image_attention_mask=mask, use_cache=False, **{name: context[None, :, None]}
        ).logits[0, -1]  # fmt: skip
        token = int(logits.argmax())
        if token == 2:
            break
        answer.append(token)
        ids = [*ids, token]
    return tuple(answer)


def masked_resampler(resampler, context, seen):
    """The perceiver resampler of one image, written out with a mask over what it reads [M]."""
    latents = resampler.latents
    for attention, mlp in resampler.blocks:
        own = attention.latents_layer_norm(latents)
        read = torch.cat([attention.context_layer_norm(context), own])
        query, key, value = (
            project(x).unflatten(-1, (attention.n_heads, attention.head_dim)).movedim(1, 0)
            for project, x in (
                (attention.q_proj, own),
                (attention.k_proj, read),
                (attention.v_proj, read),
            )
        )  # [H, ., d]
        query, key = attention.q_layer_norm(query), attention.k_layer_norm(key)
        logits = query @ key.mT / attention.head_dim**0.5
        logits[:, :, : len(context)][:, :, ~seen] = -torch.inf
        mixed = (logits.softmax(-1) @ value).movedim(0, 1).flatten(1)
        latents = latents + attention.output_proj(mixed)
        latents = latents + mlp(latents)
    return resampler.layer_norm(latents)


def test_a_batch_answers_as_single_questions_do(backbone, tokens):
    kept, asked = ragged(tokens), (QUESTIONS * 2)[:6]
    batch = backbone.answer(kept, asked)
    for q, question in enumerate(asked):
        (alone,) = backbone.answer(row(kept, q), [question])
        assert alone.token_ids == batch[q].token_ids
        assert alone.first_token_logprob == pytest.approx(batch[q].first_token_logprob, abs=1e-4)
        assert alone.prefill_flops == batch[q].prefill_flops


def test_questions_beyond_one_pass_are_cut_into_several(backbone, tokens, monkeypatch):
    kept, asked = ragged(tokens), (QUESTIONS * 2)[:6]
    together = backbone.answer(kept, asked)
    monkeypatch.setattr("robust_atp.backbones.cross_attention.TOKENS_PER_PASS", 40)
    monkeypatch.setattr("robust_atp.backbones.flamingo_vision._ROWS_PER_PASS", 2)
    assert [a.token_ids for a in backbone.answer(kept, asked)] == [a.token_ids for a in together]


def test_questions_about_the_same_tokens_share_the_resampler(folders, images):
    backbone = load(folders[True])
    tokens = backbone.encode(images[:2])
    read: list[int] = []
    hook = backbone.model.model.perceiver_resampler.register_forward_pre_hook(
        lambda _, inputs: read.append(len(inputs[0]))
    )
    few = [0, 3, 5]
    backbone.answer(keep_indices(tokens, [few, few, few, few], image_of=[0, 0, 1, 0]), QUESTIONS)
    hook.remove()
    assert sum(read) == 2


@pytest.mark.parametrize("kept", [1, 7, 16])
def test_prefill_flops_equal_counted_operations(backbone, images, kept):
    tokens = backbone.encode(images[:1])
    chosen = keep_indices(tokens, [range(min(kept, len(tokens[0].features)))])
    (answer,) = backbone.answer(chosen, QUESTIONS[:1])
    ids = backbone.processor.tokenizer(TEMPLATE.replace("{question}", QUESTIONS[0]), return_tensors="pt")
    model = backbone.model.model
    parts = [*tokens[0].off_grid] if tokens[0].off_grid is not None else []
    context = torch.stack([*parts, *chosen.features[0]])[None, None]
    name = "perceiver_embeddings" if backbone.options.prunes == "queries" else "image_encoder_embeddings"
    # Eager attention is made of plain matrix products, which the counter knows on every device.
    backbone.model.set_attn_implementation("eager")
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            sees = torch.ones(1, ids["input_ids"].shape[1], 1)
            model(**ids, image_attention_mask=sees, use_cache=False, **{name: context})
            if backbone.options.prunes == "queries":
                model.perceiver_resampler(torch.randn(1, 17, 32))
    finally:
        backbone.model.set_attn_implementation("sdpa")
    assert answer.prefill_flops == counter.get_total_flops()


def test_pruning_before_the_resampler_saves_what_the_shape_says(folders, images):
    backbone = load(folders[True])
    tokens = backbone.encode(images[:1])
    kept = keep_indices(tokens, [range(16), range(4)], image_of=[0, 0])
    full, pruned = backbone.answer(kept, QUESTIONS[:1] * 2)
    assert full.prefill_flops > pruned.prefill_flops
    shape = backbone.shape
    saved = shape.flops([16] * shape.layers) - shape.flops([4] * shape.layers)
    assert full.prefill_flops - pruned.prefill_flops == saved


def test_visual_tokens_that_enter_the_decoder(backbone, tokens):
    kept = ragged(tokens)
    answers = backbone.answer(kept, [QUESTIONS[0]] * 6)
    resampled = backbone.model.config.use_resampler and backbone.options.prunes == "patches"
    entered = [a.tokens_llm or len(indices) for a, indices in zip(answers, kept.indices, strict=True)]
    assert entered == [LATENTS if resampled else len(indices) for indices in kept.indices]


@pytest.mark.parametrize("name", PRUNERS.names())
def test_every_pruner_runs_or_is_refused_with_a_reason(backbone, images, name):
    method = build_pruner(name)
    if method.inside is not None:
        with pytest.raises(
            UserError, match="cuts inside the decoder: it looks at the image by cross-attention"
        ):
            method.check(backbone.capabilities)
    elif method.tower is not None:
        with pytest.raises(UserError, match="that has to be CLIP's, run once for an image"):
            method.check(backbone.capabilities)
    elif backbone.options.prunes == "queries" and (method.needs_grid or method.needs - {"tower_features"}):
        with pytest.raises(UserError, match="a resampler's queries are no patches of the image"):
            method.check(backbone.capabilities)
    else:
        method.check(backbone.capabilities)
        seen = backbone.encode(images[:2], method.needs)
        text = backbone.embed_questions(QUESTIONS[:2]) if method.needs_text else None
        everything = method.prune(seen, [0, 1], text, 1.0, 0, ["a", "b"])
        expected = backbone.answer(whole(seen), QUESTIONS[:2])
        answers = backbone.answer(everything, QUESTIONS[:2])
        assert [a.token_ids for a in answers] == [a.token_ids for a in expected]
        kept = method.prune(seen, [0, 1], text, 0.4, 0, ["a", "b"])
        assert name == "none" or all(len(indices) < len(seen[0].features) for indices in kept.indices)
        assert len(backbone.answer(kept, QUESTIONS[:2])) == 2


def test_an_image_is_encoded_alike_alone_and_in_a_batch(backbone, images):
    batch = backbone.encode(images, backbone.capabilities.provides)
    for together, image in zip(batch, images, strict=True):
        (alone,) = backbone.encode([image], backbone.capabilities.provides)
        assert (
            alone.grid == together.grid == ((1, LATENTS) if backbone.options.prunes == "queries" else (4, 4))
        )
        torch.testing.assert_close(alone.features, together.features, rtol=1e-4, atol=1e-4)
        assert alone.signals.keys() == together.signals.keys() == backbone.capabilities.provides
        for name, signal in alone.signals.items():
            torch.testing.assert_close(signal, together.signals[name], rtol=1e-4, atol=1e-5)
        if alone.project is not None:
            projected = alone.project(alone.signals["tower_features"])
            torch.testing.assert_close(projected, alone.features)


def test_signals_are_those_of_the_tower_spelled_out(folders, images):
    backbone = load(folders[True])
    (tokens,) = backbone.encode(images[:1], frozenset({"cls_attention:last", "joint_patches"}))
    pixels = backbone.processor.image_processor(images[:1], return_tensors="pt")
    tower = backbone.model.model.vision_model
    with torch.no_grad():
        hidden = tower.pre_layrnorm(tower.embeddings(pixels))
        for layer in tower.encoder.layers[:-1]:
            hidden = layer(hidden, None)
        last = tower.encoder.layers[-1]
        normed = last.layer_norm1(hidden)
        query, key = (
            project(normed)[0].unflatten(-1, (4, 8)).movedim(1, 0)
            for project in (last.self_attn.q_proj, last.self_attn.k_proj)
        )
        expected = (query[:, 0:1] @ key.mT / 8**0.5).softmax(-1)[:, 0, 1:]
    torch.testing.assert_close(tokens.signals["cls_attention:last"], expected)
    torch.testing.assert_close(tokens.features, last(hidden, None)[0, 1:])


def test_places_of_objects(backbone):
    """The processor squeezes the whole image into a square, without a crop."""
    mask = np.zeros((40, 80), dtype=bool)
    mask[:10, 60:] = True  # the upper right corner: one of 4 × 4 patches
    found = backbone.object_patches(mask)
    if backbone.options.prunes == "queries":
        assert found is None
    else:
        assert np.flatnonzero(found).tolist() == [3]


def test_no_questions_no_answers(backbone):
    assert backbone.answer(KeptTokens([], [], [], "original", []), []) == []


@pytest.mark.parametrize(
    ("options", "resampler", "message"),
    [
        ({"prunes": "querries"}, True, "prunes 'querries' is not one of: patches, queries.*'queries'"),
        ({"prune": "queries"}, True, r"has no option 'prune'; it has: prunes .*did you mean 'prunes'"),
        (
            {"prunes": "queries"},
            False,
            "no resampler, whose queries could be pruned; nearest valid .* patches",
        ),
    ],
)
def test_wrong_options_are_refused(folders, options, resampler, message):
    with pytest.raises(UserError, match=message):
        load_backbone(BackboneSpec(str(folders[resampler]), options=options))


@pytest.mark.parametrize(
    ("source", "matched"),
    [("HuggingFaceM4/idefics-9b", True), ("HuggingFaceM4/idefics-9b-instruct", False), ("./mine", False)],
)
def test_a_text_tower_is_known_where_the_vision_tower_stayed_frozen(source, matched):
    spec = BackboneSpec(source)
    found = Flamingo.capabilities_of(source, spec, {"use_resampler": True})
    assert found.has_text_tower is matched
    assert ("joint_patches" in found.provides) is matched
    if not matched:
        with pytest.raises(UserError, match=r"text tower: name the CLIP model that matches .* option clip"):
            build_pruner("atp").check(found)
    named = Flamingo.capabilities_of(source, replace(spec, clip="some/clip"), {"use_resampler": True})
    assert named.has_text_tower


def test_nothing_can_be_dropped_or_observed_inside_the_decoder(backbone, tokens):
    kept = whole(tokens[:1])
    with pytest.raises(
        UserError, match="no attention inside its decoder: it looks at the image by cross-attention"
    ):
        backbone.text_to_vision(kept, QUESTIONS[:1])
    with pytest.raises(UserError, match="drops no tokens inside its decoder"):
        backbone.answer(kept, QUESTIONS[:1], [build_pruner("fastv").dropping(0.5, 16, 4)])
