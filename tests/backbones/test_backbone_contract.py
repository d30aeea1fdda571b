"""What every backbone must keep to, on real classes at microscopic size. A new backbone is one row of the table."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from backbone_table import END, IMAGE, ROWS, Row
from tiny_llava import QUESTIONS, photos

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.checkpoint import find_checkpoint
from robust_atp.backbones.dropping import Dropping, Survivors
from robust_atp.backbones.loading import capabilities
from robust_atp.backbones.seam import KeptTokens
from robust_atp.pruning import PRUNERS, build_pruner, keep_indices
from robust_atp.pruning.budgets import FixedRatio
from robust_atp.pruning.compatibility import compatibility, refusal

POLICIES = ["original", "compacted"]
ASKED = (QUESTIONS * 2)[:6]  # prompts of different lengths


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def row(request) -> Row:
    return request.param


@pytest.fixture(scope="module")
def spec(row, tmp_path_factory):
    return BackboneSpec(str(row.build(tmp_path_factory.mktemp(row.name))), options=row.options)


@pytest.fixture(scope="module")
def backbone(spec):
    return load_backbone(spec)


@pytest.fixture(scope="module")
def images():
    return photos(6)  # of four sizes


@pytest.fixture(scope="module")
def tokens(backbone, images):
    return backbone.encode(images, backbone.capabilities.provides)


def whole(tokens, policy="original"):
    return keep_indices(tokens, [range(len(image.features)) for image in tokens], policy)


def ragged(tokens, policy, seed=0):
    """For every image a random set of a different size, 1 and N among them."""
    rng = np.random.default_rng(seed)
    shares = [0.0, 1.0, 0.3, 0.6, 0.95, 0.1]
    totals = [len(image.features) for image in tokens]
    sizes = [max(1, round(share * total)) for share, total in zip(shares, totals, strict=True)]
    chosen = [rng.choice(t, size, replace=False).tolist() for t, size in zip(totals, sizes, strict=True)]
    return keep_indices(tokens, chosen, policy)


def one(kept, q):
    """Question q alone."""
    parts = (kept.features, kept.indices, kept.totals, kept.off_grid, kept.layouts)
    features, indices, totals, off_grid, layouts = ([part[q]] for part in parts)
    return KeptTokens(features, indices, totals, kept.position_policy, off_grid, layouts)


def test_the_config_alone_promises_what_is_loaded(spec, backbone):
    assert capabilities(spec, find_checkpoint(spec.id)) == backbone.capabilities


@pytest.mark.parametrize("policy", POLICIES)
def test_keeping_all_tokens_gives_what_generate_gives(row, backbone, images, tokens, policy):
    for question in QUESTIONS:
        answers = backbone.answer(whole(tokens, policy), [question] * len(images))
        for image, answer in zip(images, answers, strict=True):
            inputs = row.inputs(backbone, image, question)
            generated = backbone.model.generate(
                **inputs, do_sample=False, max_new_tokens=4, output_logits=True, return_dict_in_generate=True
            )
            ids = generated.sequences[0, inputs["input_ids"].shape[1] :].tolist()
            assert answer.token_ids == tuple(i for i in ids if i != END)
            tokenizer = backbone.language.words.tokenizer
            assert answer.text == tokenizer.decode(ids, skip_special_tokens=True).strip()
            logprobs = generated.logits[0][0].log_softmax(-1)
            assert answer.first_token_logprob == pytest.approx(logprobs.max().item(), abs=1e-4)
            margin = logprobs[tokenizer.vocab["yes"]] - logprobs[tokenizer.vocab["no"]]
            assert answer.yes_no_margin == pytest.approx(margin.item(), abs=1e-4)


def test_answers_depend_on_image_question_and_kept_tokens(backbone, tokens):
    """The other tests here compare answers: they could not fail if all answers were alike."""
    by_question = [[a.token_ids for a in backbone.answer(whole(tokens), [q] * 6)] for q in QUESTIONS]
    assert len({tuple(answers) for answers in by_question}) == len(QUESTIONS)
    assert len({answer for answers in by_question for answer in answers}) >= 10
    pruned = {
        policy: [a.token_ids for a in backbone.answer(ragged(tokens, policy), QUESTIONS[:1] * 6)]
        for policy in POLICIES
    }
    assert pruned["original"] != pruned["compacted"]
    assert pruned["original"] != by_question[0]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_ragged_batch_of_images_of_different_sizes_gives_what_single_samples_give(backbone, tokens, policy):
    kept = ragged(tokens, policy)
    for q, answer in enumerate(backbone.answer(kept, ASKED)):
        (single,) = backbone.answer(one(kept, q), [ASKED[q]])
        assert answer.token_ids == single.token_ids
        assert answer.first_token_logprob == pytest.approx(single.first_token_logprob, abs=1e-4)
        assert (answer.prefill_flops, answer.tokens_llm) == (single.prefill_flops, single.tokens_llm)


def test_questions_beyond_one_pass_are_cut_into_several(backbone, tokens, monkeypatch):
    kept = ragged(tokens, "original")
    together = backbone.answer(kept, ASKED)
    monkeypatch.setattr("robust_atp.backbones.language.TOKENS_PER_PASS", 90)
    apart = backbone.answer(kept, ASKED)
    assert [a.token_ids for a in apart] == [a.token_ids for a in together]


def test_an_image_is_encoded_alike_alone_and_in_a_batch(backbone, images, tokens):
    for image, beside in zip(images, tokens, strict=True):
        (alone,) = backbone.encode([image], backbone.capabilities.provides)
        assert alone.grids == beside.grids
        torch.testing.assert_close(alone.features, beside.features, rtol=1e-4, atol=1e-4)
        assert alone.signals.keys() == beside.signals.keys() == backbone.capabilities.provides
        for name, signal in alone.signals.items():
            torch.testing.assert_close(signal, beside.signals[name], rtol=1e-4, atol=1e-4)


def test_tokens_grids_views_and_signals_agree_on_their_number(backbone, images, tokens):
    for image, own in zip(images, tokens, strict=True):
        total = len(own.features)
        assert sum(rows * columns for rows, columns in own.grids) == total
        for name, signal in own.signals.items():
            assert signal.shape[1 if ":" in name else 0] == total
        if own.views:
            together = torch.cat([view.tokens for view in own.views])
            assert together.sort().values.tolist() == list(range(total))
            assert all(rows * columns == len(v.tokens) for v in own.views for rows, columns in [v.grid])
        assert backbone.object_patches(np.ones(image.shape[:2], bool)).shape == (total,)


def test_projecting_tower_features_gives_the_features(tokens):
    for own in tokens:
        projected = own.project(own.signals["tower_features"])
        torch.testing.assert_close(projected, own.features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PRUNERS.names())
def test_a_pruner_runs_or_is_refused_with_one_message(row, backbone, images, tokens, name):
    method = build_pruner(name)
    message = refusal(method, backbone.capabilities)
    if name in row.refused:
        assert message is not None
        assert row.refused[name] in message
        assert message.startswith(f"pruner '{name}' on backbone '{backbone.name}'")
        assert "\n" not in message
        return
    if method.trained:
        assert message is not None
        assert "has no weights for" in message
        return
    assert message is None
    if method.tower is not None:
        tokens = backbone.encode(images, frozenset(), method.thinning(0.4, tokens[0].total, backbone))
    text = backbone.embed_questions(ASKED) if method.needs_text else None
    kept = method.prune(tokens, range(6), text, 0.4, 0, ["k"] * 6)
    ways = method.droppings(tokens, range(6), 0.4, backbone.shape.layers)
    answers = backbone.answer(kept, ASKED, ways)
    assert all(np.isfinite(answer.first_token_logprob) for answer in answers)
    for q, answer in enumerate(answers):
        fixed = answer.tokens_llm - len(kept.indices[q])
        made = len(kept.features[q]) - len(kept.indices[q])
        assert fixed == made + (0 if tokens[q].layout is None else len(tokens[q].layout.fixed))
        left = answer.cuts[-1] if answer.cuts else kept.indices[q]
        if isinstance(method.budget, FixedRatio) or method.inside is not None:
            assert len(left) < kept.totals[q]


def test_the_table_of_refusals_is_that_of_the_rows(row, backbone):
    (found,) = compatibility([backbone.capabilities]).values()
    untrained = {name for name in PRUNERS.names() if build_pruner(name).trained}
    assert {name for name, reason in found.items() if reason is not None} == set(row.refused) | untrained


@pytest.mark.parametrize("policy", POLICIES)
def test_dropping_equals_masking_in_an_uncached_forward(row, backbone, images, tokens, policy):
    kept = ragged(tokens, policy, seed=1)
    answers = backbone.answer(kept, ASKED)
    for q, answer in enumerate(answers):
        gone = {0: set(range(kept.totals[q])) - set(kept.indices[q].tolist())}
        assert answer.token_ids == masked_answer(row, backbone, images[q], tokens[q], ASKED[q], gone, policy)


@dataclass(frozen=True)
class Largest:
    """Keeps the tokens of the largest norm."""

    def __call__(self, view, count):
        norms = view.hidden[view.visual].norm(dim=-1)
        return Survivors(norms.sort(descending=True, stable=True).indices[:count].sort().values)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cuts", [((1, 7),), ((1, 9), (2, 4)), ((2, 0),)])
def test_dropping_inside_the_decoder_equals_masking(row, backbone, images, tokens, cuts, policy):
    if not backbone.capabilities.drops_inside:
        pytest.skip("its decoder does not drop")
    answers = backbone.answer(whole(tokens), ASKED, [Dropping(cuts, Largest(), policy)] * 6)
    for q, answer in enumerate(answers):
        everything = set(range(len(tokens[q].features)))
        gone = {depth: everything - set(kept) for (depth, _), kept in zip(cuts, answer.cuts, strict=True)}
        assert [len(everything - left) for left in gone.values()] == [count for _, count in cuts]
        assert answer.token_ids == masked_answer(row, backbone, images[q], tokens[q], ASKED[q], gone, policy)


@torch.no_grad()
def masked_answer(row, backbone, image, own, question, gone, policy):
    """Nothing leaves: from each depth on, a 4-D mask hides the columns of what should have. No cache.

    Embeddings, the number of placeholders and position ids are those of transformers' own forward.
    """
    decoder = backbone.model.model.language_model
    inputs = row.inputs(backbone, image, question)
    ids = inputs["input_ids"][0].tolist()
    embeddings, positions = prompt_of(backbone, inputs), row.positions(backbone, inputs)
    image_places = [place for place, token in enumerate(ids) if token == IMAGE]
    fixed = line_ends(backbone, embeddings[0, image_places])
    droppable = [place for number, place in enumerate(image_places) if number not in fixed]
    assert len(droppable) == len(own.features)
    answer: list[int] = []
    while len(answer) < 4:
        added = decoder.get_input_embeddings()(torch.tensor(answer, dtype=torch.long))[None]
        hidden = torch.cat([embeddings, added], 1)
        visible = torch.ones(hidden.shape[1], dtype=torch.bool)
        for depth, layer in enumerate(decoder.layers):
            for token in gone.get(depth, ()):
                visible[droppable[token]] = False
            where = renumbered(positions, visible, image_places, policy, len(answer))
            mask = visible[None] & torch.ones(len(visible), len(visible), dtype=torch.bool).tril()
            mask |= torch.eye(len(visible), dtype=torch.bool)  # a masked query must see something
            rotary = decoder.rotary_emb(hidden, where)
            hidden = layer(hidden, attention_mask=mask[None, None], position_embeddings=rotary)
        token = int(backbone.model.lm_head(decoder.norm(hidden[0, -1])).argmax())
        if token == END:
            break
        answer.append(token)
    return tuple(answer)


def prompt_of(backbone, inputs):
    """Embeddings [1, T, D] that enter the decoder in transformers' own forward."""
    seen = []
    decoder = backbone.model.model.language_model
    handle = decoder.register_forward_pre_hook(
        lambda module, arguments, options: seen.append(options["inputs_embeds"]), with_kwargs=True
    )
    try:
        backbone.model(**inputs)
    finally:
        handle.remove()
    return seen[0]


def line_ends(backbone, rows):
    """Numbers of the rows [M, D] that are the embedding of the end of a line."""
    newline = getattr(backbone.model.model, "image_newline", None)
    return set() if newline is None else {n for n, r in enumerate(rows) if torch.equal(r, newline)}


def renumbered(positions, visible, image_places, policy, answered):
    """Position ids of prompt and answer; compacted: no number is left out, along no axis of an image."""
    axes = positions.reshape(-1, positions.shape[-1]).tolist()
    start, stop = image_places[0], image_places[-1] + 1
    moved = [list(axis) for axis in axes]
    if policy == "compacted":
        left = [place for place in range(start, stop) if visible[place]]
        rank = [sorted({axis[place] for place in left}) for axis in axes]
        for axis, new, order in zip(axes, moved, rank, strict=True):
            for place in left:
                new[place] = start + order.index(axis[place])
        end = max((new[place] for new in moved for place in left), default=start - 1) + 1
        for new in moved:
            new[stop:] = range(end, end + len(new) - stop)
    for new in moved:
        new += range(new[-1] + 1, new[-1] + 1 + answered)
    return torch.tensor(moved).reshape(*positions.shape[:-1], -1)


def test_views_are_pruned_on_their_own(row, backbone, tokens):
    for own in tokens:
        kept = build_pruner("random").prune([own], [0], None, 0.5, 0, ["k"]).indices[0].tolist()
        sizes = [len(view.tokens) for view in own.views] or [len(own.features)]
        parts = [view.tokens.tolist() for view in own.views] or [list(range(len(own.features)))]
        found = [len(set(part) & set(kept)) for part in parts]
        assert found == [int(size * 0.5 + 0.5) for size in sizes]


def test_features_of_views_come_back_in_the_order_of_the_decoder(tokens):
    for own in tokens:
        kept = build_pruner("divprune").prune([own], [0], None, 0.4, 0, ["k"])
        assert (kept.indices[0].diff() > 0).all()
        assert torch.equal(kept.features[0], own.features[kept.indices[0]])
