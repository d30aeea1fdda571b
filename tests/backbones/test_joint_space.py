"""The joint space against CLIPModel itself."""

from dataclasses import replace

import pytest
import torch
from tiny_llava import QUESTIONS, photos
from transformers import AutoTokenizer, CLIPModel

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.errors import UserError


@pytest.fixture(scope="module")
def clip(tiny_llava_folder):
    return CLIPModel.from_pretrained(tiny_llava_folder / "clip").eval()


def test_question_embeddings_are_those_of_clip_batched_or_not(tiny_backbone, tiny_llava_folder, clip):
    tokenizer = AutoTokenizer.from_pretrained(tiny_llava_folder / "clip")
    batch = tiny_backbone.embed_questions(QUESTIONS)
    for question, embedding in zip(QUESTIONS, batch, strict=True):
        inputs = tokenizer(question, return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            expected = torch.nn.functional.normalize(
                clip.get_text_features(**inputs).pooler_output[0], dim=-1
            )
        torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)
    assert (batch @ batch.T).min() < 0.99


def test_long_questions_are_cut_to_the_text_tower(tiny_backbone):
    """12 positions: ten words between start and end token."""
    words = "what color is the star on the left of the"
    embeddings = tiny_backbone.embed_questions([words, words + " red circle on the grass"])
    torch.testing.assert_close(embeddings[0], embeddings[1])


def test_the_class_token_projected_like_a_patch_is_clips_image_embedding(tiny_backbone, clip):
    """Patches take the route that CLIP trained for the class token; only the token differs."""
    pixels = tiny_backbone.processor.image_processor(photos(2), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        hidden = clip.vision_model(pixels).last_hidden_state
        expected = clip.visual_projection(clip.vision_model.post_layernorm(hidden))
        torch.testing.assert_close(expected[:, 0], clip.get_image_features(pixels).pooler_output)
    tokens = tiny_backbone.encode(photos(2), frozenset({"joint_patches"}))
    patches = torch.stack([image.signals["joint_patches"] for image in tokens])
    expected = torch.nn.functional.normalize(expected[:, 1:], dim=-1)
    torch.testing.assert_close(patches, expected, rtol=1e-4, atol=1e-5)


def test_without_matching_clip_the_text_tower_is_missing(tiny_llava_folder, tmp_path):
    for path in tiny_llava_folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    spec = BackboneSpec(str(tmp_path))
    backbone = load_backbone(spec)
    assert not backbone.has_text_tower
    assert "joint_patches" not in backbone.provides
    with pytest.raises(UserError, match=r"has no text tower.*option clip"):
        backbone.embed_questions(["how many"])
    named = load_backbone(replace(spec, clip=str(tiny_llava_folder / "clip")))
    assert named.has_text_tower
    assert named.embed_questions(["how many"]).shape == (1, 16)


def test_a_clip_of_another_width_is_refused(tiny_llava_folder, clip, tmp_path):
    from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig

    text = CLIPTextConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9
    )
    vision = CLIPVisionConfig(hidden_size=24, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict())).save_pretrained(
        tmp_path
    )
    AutoTokenizer.from_pretrained(tiny_llava_folder / "clip").save_pretrained(tmp_path)
    backbone = load_backbone(BackboneSpec(str(tiny_llava_folder), clip=str(tmp_path)))
    with pytest.raises(UserError, match=r"width 24.*width 32"):
        backbone.embed_questions(["how many"])
