"""Dropping inside the decoder against a decoder written out in loops, without cache and without padding."""

from dataclasses import dataclass

import naive_decoder
import numpy as np
import pytest
import tiny_llava
import torch
from tiny_llava import QUESTIONS, photos
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlavaForConditionalGeneration

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.dropping import Dropping, Survivors
from robust_atp.backbones.greedy import Span
from robust_atp.backbones.staged import Prefill
from robust_atp.errors import UserError
from robust_atp.pruning import keep_indices

POLICIES = ["original", "compacted"]
SCHEDULES = [((1, 9),), ((2, 1),), ((1, 15), (2, 4)), ((1, 5), (2, 5)), ((1, 7), (2, 0))]


@dataclass(frozen=True)
class Largest:
    """Keeps the tokens of the largest norm; with ``merging`` the last place holds the mean of the others."""

    merging: bool = False

    def __call__(self, view, count):
        norms = view.hidden[view.visual].norm(dim=-1)
        order = norms.sort(descending=True, stable=True).indices
        kept = order[: count - self.merging].sort().values
        if not self.merging:
            return Survivors(kept)
        gone = order[count - 1 :].sort().values
        return Survivors(kept, view.hidden[view.visual][gone].mean(0, keepdim=True), gone[:1])


def naive_largest(merging):
    def choose(scene, count):
        rows = scene.layers[-1].leaving[scene.start : scene.stop]
        ranking = sorted(range(len(rows)), key=lambda i: (-float(rows[i].norm()), i))
        kept, gone = sorted(ranking[: count - merging]), sorted(ranking[count - merging :])
        return (kept, [sum(rows[i] for i in gone) / len(gone)], gone[:1]) if merging else (kept, [], [])

    return choose


@pytest.fixture(scope="module")
def tokens(tiny_backbone):
    return tiny_backbone.encode(photos(6), frozenset())


@pytest.fixture(scope="module")
def whole(tokens):
    return keep_indices(tokens, [range(16)] * 6, "original")


ASKED = (QUESTIONS * 2)[:6]  # prompts of different lengths


def dropping(cuts, policy="original", merging=False):
    return Dropping(cuts, Largest(merging), policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("cuts", "merging"), [(cuts, False) for cuts in SCHEDULES] + [(cuts, True) for cuts in SCHEDULES[:-1]]
)
def test_a_ragged_batch_is_what_a_naive_decoder_does_one_by_one(tiny_backbone, whole, cuts, merging, policy):
    answers = tiny_backbone.answer(whole, ASKED, [dropping(cuts, policy, merging)] * 6)
    for q, answer in enumerate(answers):
        tokens, first, kept, per_layer = naive_decoder.answer(
            tiny_backbone, whole.features[q], ASKED[q], cuts, naive_largest(merging), policy
        )
        assert answer.token_ids == tokens
        assert answer.first_token_logprob == pytest.approx(float(first.max()), abs=2e-4)
        assert [list(cut) for cut in answer.cuts] == kept
        assert list(answer.tokens_per_layer) == per_layer


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cuts", SCHEDULES)
def test_dropping_equals_masking(tiny_backbone, whole, cuts, policy):
    answers = tiny_backbone.answer(whole, ASKED, [dropping(cuts, policy)] * 6)
    for q, answer in enumerate(answers):
        gone = {depth: set(range(16)) - set(kept) for (depth, _), kept in zip(cuts, answer.cuts, strict=True)}
        assert answer.token_ids == masked_answer(tiny_backbone, whole.features[q], ASKED[q], gone, policy)


@torch.no_grad()
def masked_answer(backbone, features, question, gone, policy):
    """Nothing leaves: from each cut on, 4-D masks hide the columns of what should have. No cache."""
    decoder = backbone.model.model.language_model
    text = tiny_llava.TEMPLATE.replace("{question}", question).replace("<image>", "<image>" * 16)
    ids = backbone.processor.tokenizer(text)["input_ids"]
    start = ids.index(4)
    answer: list[int] = []
    while len(answer) < 4:
        hidden = decoder.get_input_embeddings()(torch.tensor(ids + answer))[None]
        hidden[0, start : start + 16] = features
        visible = torch.ones(hidden.shape[1], dtype=torch.bool)
        for depth, layer in enumerate(decoder.layers):
            for token in gone.get(depth, ()):
                visible[start + token] = False
            positions = torch.arange(len(visible)) if policy == "original" else visible.cumsum(0) - 1
            mask = visible[None] & torch.ones(len(visible), len(visible), dtype=torch.bool).tril()
            mask |= torch.eye(len(visible), dtype=torch.bool)  # a masked query must see something
            rotary = decoder.rotary_emb(hidden, positions[None])
            hidden = layer(hidden, attention_mask=mask[None, None], position_embeddings=rotary)
        token = int(backbone.model.lm_head(decoder.norm(hidden[0, -1])).argmax())
        if token == 2:
            break
        answer.append(token)
    return tuple(answer)


@pytest.fixture(scope="module")
def ungrouped(tmp_path_factory):
    """The tiny checkpoint with as many key heads as query heads; the other one has half as many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tiny_llava, "LlamaConfig", lambda **options: LlamaConfig(**options | {"num_key_value_heads": 4})
        )
        folder = tiny_llava.tiny_llava(tmp_path_factory.mktemp("ungrouped"))
    return load_backbone(BackboneSpec(str(folder)))


def test_without_grouped_queries(ungrouped):
    tokens = ungrouped.encode(photos(3), frozenset())
    whole = keep_indices(tokens, [range(16)] * 3, "original")
    answers = ungrouped.answer(whole, ASKED[:3], [dropping(SCHEDULES[2])] * 3)
    for q, answer in enumerate(answers):
        expected, first, kept, _ = naive_decoder.answer(
            ungrouped, whole.features[q], ASKED[q], SCHEDULES[2], naive_largest(False), "original"
        )
        assert answer.token_ids == expected
        assert answer.first_token_logprob == pytest.approx(float(first.max()), abs=2e-4)
        assert [list(cut) for cut in answer.cuts] == kept


def test_the_ways_of_dropping_differ_so_that_a_wrong_one_would_show(tiny_backbone, whole):
    ways = [
        dropping(cuts, policy, merging) for cuts in SCHEDULES[:3] for policy in POLICIES for merging in (0, 1)
    ]
    logprobs = [
        [a.first_token_logprob for a in tiny_backbone.answer(whole, ASKED, [way] * 6)] for way in ways
    ]
    distances = [np.abs(np.subtract(a, b)).max() for n, a in enumerate(logprobs) for b in logprobs[:n]]
    assert min(distances) > 0.01


@pytest.mark.parametrize("policy", POLICIES)
def test_keeping_all_is_the_unpruned_model(tiny_backbone, whole, policy):
    plain = tiny_backbone.answer(whole, ASKED)
    kept = tiny_backbone.answer(whole, ASKED, [dropping(((1, 16), (2, 16)), policy)] * 6)
    for one, other in zip(plain, kept, strict=True):
        assert one.token_ids == other.token_ids
        assert one.first_token_logprob == pytest.approx(other.first_token_logprob, abs=1e-4)
        assert one.prefill_flops == other.prefill_flops
        assert other.tokens_per_layer == (16, 16, 16)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_question_is_answered_alike_alone_and_beside_others_and_other_ways(tiny_backbone, whole, policy):
    ways = [dropping(cuts, policy) for cuts in SCHEDULES[:3]]
    questions = ASKED * 3
    features, indices = list(whole.features) * 3, list(whole.indices) * 3
    batch = tiny_backbone.answer(
        keep_indices_like(whole, features, indices), questions, [way for way in ways for _ in range(6)]
    )
    for q in range(0, 18, 5):
        alone = keep_indices_like(whole, features[q : q + 1], indices[q : q + 1])
        (single,) = tiny_backbone.answer(alone, questions[q : q + 1], [ways[q // 6]])
        assert single.token_ids == batch[q].token_ids
        assert single.cuts == batch[q].cuts
        assert single.prefill_flops == batch[q].prefill_flops
        assert single.first_token_logprob == pytest.approx(batch[q].first_token_logprob, abs=1e-4)


def keep_indices_like(kept, features, indices):
    totals = [kept.totals[0]] * len(indices)
    return type(kept)(features, indices, totals, kept.position_policy)


def test_layers_before_the_first_cut_run_once_for_all_ways(tiny_backbone, whole):
    layers = tiny_backbone.model.model.language_model.layers
    runs = [0, 0, 0]

    def count(module, inputs, output):
        runs[module.self_attn.layer_idx] += output.shape[1] > 1  # one token at a time is decoding

    handles = [layer.register_forward_hook(count) for layer in layers]
    ways = [dropping(((1, 4),)), dropping(((2, 4),)), dropping(((2, 8),)), dropping(((2, 8),), "compacted")]
    try:
        tiny_backbone.answer(
            keep_indices_like(whole, list(whole.features) * 4, list(whole.indices) * 4),
            ASKED * 4,
            [way for way in ways for _ in range(6)],
        )
    finally:
        for handle in handles:
            handle.remove()
    assert runs == [1, 2, 4]  # layer 2: the way that cuts after 1, and once for the three others


def prefill(backbone, length=7):
    decoder = backbone.model.model.language_model
    torch.manual_seed(1)
    return Prefill(decoder, [Span(torch.randn(length, 32), torch.arange(length))], [slice(2, 6)])


@torch.no_grad()
def test_every_layer_holds_each_of_its_tokens_once(tiny_backbone):
    """Running a layer twice for its attention would put its keys into the cache twice, prefill only."""
    state = prefill(tiny_backbone)
    state.advance(1)
    view = state.view(0)
    view.attention(slice(6, 7))
    view.next_attention(slice(6, 7))
    state.drop([Survivors(torch.tensor([0, 3]))], "original")
    state.advance(3)
    assert [layer.keys.shape[-2] for layer in state.cache.layers] == [7, 5, 5]
    state.decode(tiny_backbone.model.lm_head, frozenset(), 3)
    assert [layer.keys.shape[-2] for layer in state.cache.layers] == [9, 7, 7]


@torch.no_grad()
def test_forks_do_not_touch_each_other_or_the_trunk(tiny_backbone):
    trunk = prefill(tiny_backbone)
    trunk.advance(1)
    keys, hidden = trunk.cache.layers[0].keys.clone(), trunk.hidden.clone()
    answers = []
    for _ in range(2):
        fork = trunk.fork([0])
        fork.drop([Survivors(torch.tensor([1]))], "compacted")
        fork.advance(3)
        answers.append(fork.decode(tiny_backbone.model.lm_head, frozenset(), 4).token_ids)
    assert answers[0] == answers[1]
    assert torch.equal(trunk.cache.layers[0].keys, keys)
    assert torch.equal(trunk.hidden, hidden)
    assert trunk.cache.layers[1].get_seq_length() == 0


@pytest.mark.parametrize("row", [0, 3, 6])
@torch.no_grad()
def test_attention_rows_equal_eager_attention(tiny_backbone, tiny_llava_folder, row):
    eager = LlavaForConditionalGeneration.from_pretrained(
        tiny_llava_folder, attn_implementation="eager"
    ).eval()
    state = prefill(tiny_backbone)
    expected = eager.model.language_model(inputs_embeds=state.hidden, output_attentions=True).attentions
    for depth in (1, 2):
        state.advance(depth)
        view = state.view(0)
        rows = slice(row, row + 1)
        torch.testing.assert_close(
            view.attention(rows), expected[depth - 1][0, :, rows], rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(
            view.next_attention(rows), expected[depth][0, :, rows], rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_gaps_in_position_ids_are_not_taken_for_packed_sequences(tiny_backbone):
    """One prompt without padding is where transformers, asked for a mask, would guess."""
    state = prefill(tiny_backbone)
    state.advance(1)
    state.drop([Survivors(torch.tensor([0, 3]))], "original")
    assert state.positions.tolist() == [[0, 1, 2, 5, 6]]
    state.advance(2)
    naive = naive_decoder.one_layer(
        state.decoder, state.decoder.layers[1], state.entering[0], state.positions[0].tolist()
    )
    torch.testing.assert_close(state.hidden[0], naive.leaving, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cuts", SCHEDULES)
@torch.no_grad()
def test_prefill_cost_equals_counted_operations(tiny_backbone, cuts):
    @dataclass(frozen=True)
    class First:
        def __call__(self, view, count):
            return Survivors(torch.arange(count))

    decoder = tiny_backbone.model.model.language_model
    # Eager attention is made of plain matrix products, which the counter knows on every device.
    decoder.set_attn_implementation("eager")
    try:
        with FlopCounterMode(display=False) as counter:
            state = prefill(tiny_backbone, length=20)
            for depth, count in cuts:
                state.advance(depth)
                present = state.visual[0].stop - state.visual[0].start
                state.drop([First()(None, count) if count < present else None], "original")
            state.advance(3)
    finally:
        decoder.set_attn_implementation("sdpa")
    lengths = [20 - 4 + n for n in dropping(cuts).tokens_per_layer(4, 3)]
    assert tiny_backbone.shape.flops(lengths) == counter.get_total_flops()


def test_nothing_is_left_on_the_model(tiny_backbone, whole):
    decoder = tiny_backbone.model.model.language_model
    before = [len(module._forward_hooks) for module in decoder.modules()]

    class Watching:
        def __call__(self, magnitude, cosine, visual):
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        tiny_backbone.answer(whole, ASKED, [Dropping(((1, 4),), Largest(), "original", Watching(), 1)] * 6)
    assert [len(module._forward_hooks) for module in decoder.modules()] == before
    assert decoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("cuts", [(), ((0, 4),), ((3, 4),), ((2, 4), (1, 2))])
def test_impossible_cuts_are_refused(tiny_backbone, whole, cuts):
    with pytest.raises(
        UserError, match=r"cuts inside a decoder of 3 layers must be ascending and within 1\.\.2"
    ):
        tiny_backbone.answer(whole, ASKED, [dropping(cuts)] * 6)
