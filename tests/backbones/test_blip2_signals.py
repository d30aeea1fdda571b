"""What pruners can ask of BLIP-2, against eager ``output_attentions`` and the weights themselves."""

import pytest
import torch
from tiny_blip2 import load_blip2
from tiny_llava import QUESTIONS, photos
from transformers import Blip2ForConditionalGeneration

from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS, build_pruner, keep_indices
from robust_atp.pruning.compatibility import refusal
from robust_atp.pruning.matching import nominal_keep

PLACES = ["patches", "queries"]


@pytest.fixture(scope="module")
def backbones(tiny_blip2_folders, tiny_llava_folder):
    """With the CLIP model of the tiny LLaVA, which is as wide."""
    return {
        prunes: load_blip2(
            tiny_blip2_folders["opt"], clip=str(tiny_llava_folder / "clip"), options={"prunes": prunes}
        )
        for prunes in PLACES
    }


@pytest.fixture(scope="module")
def seen(backbones, tiny_blip2_folders):
    """The eager vision tower's output on three photos."""
    eager = Blip2ForConditionalGeneration.from_pretrained(
        tiny_blip2_folders["opt"], attn_implementation="eager"
    )
    pixels = backbones["patches"].processor.image_processor(photos(3), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return eager.vision_model.eval()(pixels, output_attentions=True)


def encoded(backbone, *names):
    tokens = backbone.encode(photos(3), frozenset(names))
    return [torch.stack([image.signals[name] for image in tokens]) for name in names]


@pytest.mark.parametrize(("layer", "index"), [("projected", 2), ("last", 2), ("1/8", 0), ("4/8", 1)])
def test_attention_equals_eager_attention(backbones, seen, layer, index):
    names = [f"cls_attention:{layer}", f"received_attention:{layer}"]
    cls, received = encoded(backbones["patches"], *names)
    weights = seen.attentions[index]  # [B, H, 1 + N, 1 + N]
    torch.testing.assert_close(cls, weights[:, :, 0, 1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(received, weights.mean(2)[:, :, 1:], rtol=1e-4, atol=1e-5)


def test_keys_are_the_middle_third_of_the_fused_projection(backbones):
    backbone = backbones["patches"]
    attention = backbone.model.vision_model.encoder.layers[-1].self_attn
    caught = []
    hook = attention.qkv.register_forward_hook(lambda module, inputs, output: caught.append(output))
    (keys,) = encoded(backbone, "keys:last")
    hook.remove()
    key = caught[0][:, 1:].unflatten(-1, (3, 4, 8))[:, :, 1]  # [B, N, H, d]
    torch.testing.assert_close(keys, key.transpose(1, 2))


def test_joint_patches_take_the_route_of_clips_class_token(backbones, seen):
    projection = backbones["patches"].vision.joint_space.visual_projection
    expected = torch.nn.functional.normalize(projection(seen.last_hidden_state[:, 1:]), dim=-1)
    (joint,) = encoded(backbones["patches"], "joint_patches")
    torch.testing.assert_close(joint, expected, rtol=1e-4, atol=1e-5)


def test_without_a_clip_model_the_text_tower_is_missing(tiny_blip2_folders):
    backbone = load_blip2(tiny_blip2_folders["opt"])
    with pytest.raises(UserError, match=r"has no text tower.*EVA-CLIP's.*option clip"):
        backbone.embed_questions(["how many"])
    with pytest.raises(UserError, match=r"'atp'.*needs a CLIP text tower: BLIP-2's own tower is EVA-CLIP's"):
        build_pruner("atp").check(backbone.capabilities)


@pytest.mark.parametrize("prunes", PLACES)
@pytest.mark.parametrize("name", PRUNERS.names())
def test_every_pruner_runs_or_says_what_is_missing(backbones, prunes, name):
    backbone, method = backbones[prunes], build_pruner(name)
    reason = refusal(method, backbone.capabilities)
    if reason is not None:
        decoder = "cuts inside the decoder: the decoder has to be one of the Llama family"
        tower = "that has to be CLIP's, run once for an image"
        no_patches = "set the backbone's option prunes to patches"
        assert decoder in reason or tower in reason or (prunes == "queries" and no_patches in reason)
        return
    tokens = backbone.encode(photos(3), method.needs)
    total = len(tokens[0].features)
    images, questions = [0, 1, 2], QUESTIONS[:3]
    text = backbone.embed_questions(questions) if method.needs_text else None
    kept = method.prune(tokens, images, text, 0.5, 0, questions)
    assert all(0 < len(indices) <= total for indices in kept.indices)
    assert len(backbone.answer(kept, questions)) == 3
    whole = method.prune(tokens, images, text, 1.0, 0, questions)
    assert [len(indices) for indices in whole.indices] == [total] * 3


def test_methods_inside_the_decoder_and_attention_to_patches_are_refused(backbones):
    refused = {
        prunes: {n for n in PRUNERS.names() if refusal(build_pruner(n), backbones[prunes].capabilities)}
        for prunes in PLACES
    }
    assert "fastv" in refused["patches"] < refused["queries"]
    assert {"cls-attention", "atp", "centre-crop"} <= refused["queries"] - refused["patches"]


def test_nothing_is_dropped_inside_even_if_asked(backbones):
    backbone = backbones["patches"]
    method = build_pruner("fastv")
    tokens = backbone.encode(photos(1), frozenset())
    kept = method.prune(tokens, [0], None, 0.5, 0, ["k"])
    ways = method.droppings(tokens, [0], 0.5, backbone.shape.layers)
    with pytest.raises(UserError, match="drops no tokens inside its decoder"):
        backbone.answer(kept, ["how many"], ways)
    with pytest.raises(UserError, match="gives no attention inside its decoder"):
        backbone.text_to_vision(kept, ["how many"])


def test_budgets_know_that_a_q_former_stands_in_between(backbones):
    """Six queries enter the decoder whatever is kept of 16 patches: only the Q-Former's reading gets cheaper."""
    method, shape = build_pruner("random"), backbones["patches"].shape
    assert nominal_keep(method, 0.25, "tokens", 16, shape) == 0.25
    with pytest.raises(UserError, match=r"mean_tokens cannot be met .* hands 6 tokens on whatever is kept"):
        nominal_keep(method, 0.25, "mean_tokens", 16, shape)
    assert nominal_keep(method, 1.0, "mean_tokens", 16, shape) == 1.0
    with pytest.raises(
        UserError, match=r"keep 0\.25 of prefill_flops cannot be reached .* nearest valid: 0\.\d"
    ):
        nominal_keep(method, 0.25, "prefill_flops", 16, shape)
    # With the CLS token 17 are read, and cost is linear in them: half-way between 1 and 16 patches is 8 or 9.
    least, all_of_them = (shape.flops([count] * shape.layers) for count in (1, 16))
    middle = (least + all_of_them) / 2 / all_of_them
    assert nominal_keep(method, middle, "prefill_flops", 16, shape) in (8 / 16, 9 / 16)
    queries = backbones["queries"].shape
    assert nominal_keep(method, 0.5, "mean_tokens", 6, queries) == 0.5


def test_the_cost_of_an_answer_is_that_of_its_parts(backbones):
    for prunes, backbone in backbones.items():
        tokens = backbone.encode(photos(1), frozenset())
        (answer,) = backbone.answer(keep_indices(tokens, [[0, 1, 5]]), ["how many"])
        text = 5  # <s> how many ASSISTANT :
        language, resampler = backbone.language.shape, backbone.vision.resampler
        read, entered = (4, 6) if prunes == "patches" else (17, 3)
        assert answer.prefill_flops == language.flops([entered + text] * 3) + resampler.flops(read)
