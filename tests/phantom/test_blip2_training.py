"""What BLIP-2's training sees, against Hugging Face's own forward and naive loops."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import Blip2ForConditionalGeneration, CLIPModel

from robust_atp.phantom.blip2 import (
    PROMPT,
    QUERIES,
    SIDE,
    build_blip2,
    build_processor,
    copy_vision_tower,
)
from robust_atp.phantom.model import build_clip
from robust_atp.phantom.split import held_out
from robust_atp.phantom.training.blip2 import ask_queries, forward
from robust_atp.phantom.training.labels import patch_labels, seen_in_cells
from robust_atp.phantom.training.lessons import QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.two_stages import Learner, train_two_stages
from robust_atp.phantom.world import COLOURS, SHAPES, SIZE


@pytest.fixture(scope="module")
def clip() -> CLIPModel:
    torch.manual_seed(1)
    return build_clip().eval()


@pytest.fixture(scope="module")
def blip2() -> Blip2ForConditionalGeneration:
    torch.manual_seed(0)
    model = build_blip2().eval()
    for name, parameter in model.named_parameters():
        if "language_model" in name and parameter.ndim == 2:
            parameter.data.mul_(6)  # at initialisation the answer hardly depends on the image
    return model


@torch.no_grad()
def test_a_block_gives_what_the_whole_prompt_gives(blip2: Blip2ForConditionalGeneration) -> None:
    """Training sees twelve questions in a row, a study one: logits must be those of Hugging Face's own forward."""
    scene = held_out("val", 1)[0]
    asked = [question.text for question in scene.questions[:3]]
    processor = build_processor()
    pixels = processor.image_processor(scene.image, return_tensors="pt")["pixel_values"]
    ids = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in asked]
    tokens = torch.tensor([[row + [0] * (QUESTION_LENGTH - len(row)) for row in ids]])
    length = torch.tensor([[len(row) for row in ids]])
    features = blip2.vision_model(pixels).last_hidden_state
    queried = ask_queries(blip2, features, torch.arange(196)[None])
    logits, _ = forward(blip2, queried, tokens, length)
    for number, text in enumerate(asked):
        prompt = PROMPT.replace("<image>", "").format(question=text)
        inputs = processor(images=scene.image, text=prompt, return_tensors="pt")
        assert (inputs["input_ids"] == blip2.config.image_token_id).sum() == QUERIES
        whole = blip2(**inputs).logits[0, -1]
        torch.testing.assert_close(logits[0, number, 0], whole, atol=1e-3, rtol=1e-3)
    assert (logits[0, 0, 0] - logits[0, 1, 0]).abs().max() > 0.1


@torch.no_grad()
def test_masking_patches_in_training_is_dropping_them(blip2: Blip2ForConditionalGeneration) -> None:
    features, kept = torch.randn(2, 197, 128), torch.tensor([[0, 7, 195], [3, 50, 51]])
    masked = ask_queries(blip2, features, kept)
    for row in range(2):
        dropped = features[row, [0, *(1 + kept[row])]][None]
        alone = blip2.qformer(
            query_embeds=blip2.query_tokens, encoder_hidden_states=dropped
        ).last_hidden_state
        torch.testing.assert_close(masked[row], alone[0], atol=1e-4, rtol=1e-4)


def test_a_cell_holds_the_object_whose_centre_is_in_it_if_a_kept_patch_shows_it() -> None:
    scenes = held_out("val", 20)
    patches = patch_labels([scene.scene for scene in scenes], [scene.masks for scene in scenes])
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(20, 196, generator=generator).topk(40).indices.sort().values
    cells = seen_in_cells(patches, kept, SIDE)
    hidden = 0
    for row, scene in enumerate(scenes):
        expected = {}
        for item in scene.scene.objects:
            centre = torch.tensor([item.x / SIZE, item.y / SIZE])
            shown = (patches.centre[row, kept[row]] == centre).all(-1).any()
            if shown:
                cell = int(item.y / SIZE * SIDE) * SIDE + int(item.x / SIZE * SIDE)
                expected[cell] = (SHAPES.index(item.shape), COLOURS.index(item.colour))
            hidden += not shown
        taken = cells.on_object[row].nonzero()[:, 0].tolist()
        found = {cell: (int(cells.shape[row, cell]), int(cells.colour[row, cell])) for cell in taken}
        assert found == expected
    assert hidden > 0


@torch.no_grad()
def test_the_copied_tower_sees_almost_what_clips_sees(
    clip: CLIPModel, blip2: Blip2ForConditionalGeneration
) -> None:
    """Exact for the CLS token, and for patches up to the length of what CLIP's first norm divides by."""
    tower = build_blip2().vision_model.eval()
    copy_vision_tower(clip, tower)
    pixels = torch.randn(2, 3, SIZE, SIZE)
    norm = clip.vision_model.pre_layrnorm
    torch.nn.init.normal_(norm.bias)
    copy_vision_tower(clip, tower)
    theirs, own = norm(clip.vision_model.embeddings(pixels)), tower.embeddings(pixels)
    torch.testing.assert_close(own[:, 0], theirs[:, 0], atol=1e-5, rtol=1e-4)
    alike = torch.cosine_similarity(own[:, 1:] - norm.bias, theirs[:, 1:] - norm.bias, dim=-1)
    torch.testing.assert_close(alike, torch.ones_like(alike), atol=1e-4, rtol=0)
    # From the same embeddings on the two towers are the same function.
    states = clip.vision_model.encoder(inputs_embeds=own).last_hidden_state
    torch.testing.assert_close(
        tower(pixels).last_hidden_state, clip.vision_model.post_layernorm(states), atol=1e-4, rtol=1e-4
    )


def test_both_stages_train_and_what_is_finished_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robust_atp.phantom.training.two_stages.SIZE", 4)

    def trained(steps: tuple[int, int]) -> tuple[Blip2ForConditionalGeneration, int]:
        torch.manual_seed(0)
        model = build_blip2()
        prepared = 0

        def prepare() -> Lessons:
            nonlocal prepared
            prepared += 1
            return Lessons.prepare(lambda pixels: torch.randn(len(pixels), 197, 128), "neutral", 6, 0)

        learner = Learner(
            "test",
            model.device,
            SIDE,
            {"qformer": model.qformer, "queries": nn.ParameterList([model.query_tokens])},
            {"projection": model.language_projection, "language": model.language_model},
            lambda features, kept: ask_queries(model, features, kept),
            lambda queried, tokens, length: forward(model, queried, tokens, length),
        )
        train_two_stages(learner, prepare, tmp_path, steps=steps, seed=0)
        return model, prepared

    torch.manual_seed(0)
    before = build_blip2().state_dict()
    first, prepared = trained((2, 1))
    assert prepared == 1
    moved = {name for name, weight in first.state_dict().items() if not torch.equal(weight, before[name])}
    assert {name.partition(".")[0] for name in moved} == {
        "query_tokens", "qformer", "language_projection", "language_model",
    }  # fmt: skip
    again, prepared = trained((2, 1))
    assert prepared == 0
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in first.state_dict().items())
