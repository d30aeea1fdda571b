"""From a name to a backbone: what is found, what is refused and how."""

import json
import shutil

import pytest

from robust_atp.backbones import FAMILIES, SHIPPED, BackboneSpec, load_backbone
from robust_atp.backbones.llava import Llava
from robust_atp.backbones.loading import content_hash, find_source
from robust_atp.errors import UserError


def test_settings_come_from_the_study_then_from_the_folder(tiny_backbone, tiny_llava_folder):
    assert tiny_backbone.prompt == "USER: <image>\n{question} ASSISTANT:"
    assert tiny_backbone.max_new_tokens == 4
    spec = BackboneSpec(str(tiny_llava_folder), prompt="<image> {question} :", max_new_tokens=2)
    other = load_backbone(spec)
    assert isinstance(other, Llava)
    assert (other.prompt, other.max_new_tokens) == ("<image> {question} :", 2)


def test_revision_of_a_folder_is_the_hash_of_its_content(tiny_backbone, tiny_llava_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_llava_folder, copy)
    (copy / "README.md").write_text("a model card answers no question")
    assert content_hash(copy) == content_hash(tiny_llava_folder) == tiny_backbone.revision
    weights = copy / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    assert content_hash(copy) != tiny_backbone.revision


@pytest.mark.parametrize(
    "prompt", ["{question}", "<image>", "{question} <image>", "<image><image> {question}"]
)
def test_a_prompt_holds_one_image_and_then_one_question(tiny_llava_folder, prompt):
    with pytest.raises(UserError, match=r"prompt must hold <image> once and {question} once"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), prompt=prompt))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("phantm", r"did you mean 'phantom'\?"),
        ("./nowhere", "nor an existing folder"),
        ("/no/such/folder", "nor an existing folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        find_source(name)


def test_hub_ids_and_folders_are_sources_as_they_are(tmp_path):
    assert find_source("llava-hf/llava-1.5-7b-hf") == "llava-hf/llava-1.5-7b-hf"
    assert find_source(str(tmp_path)) == str(tmp_path)


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no config\.json"):
        load_backbone(BackboneSpec(str(tmp_path)))


def test_an_unsupported_model_type_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="model_type 'bert'; supported: llava"):
        load_backbone(BackboneSpec(str(tmp_path)))


def test_an_unknown_dtype_is_refused(tiny_llava_folder):
    with pytest.raises(UserError, match=r"did you mean 'float16'\?"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), dtype="flot16"))


def test_an_unreachable_hub_id_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"'nobody/nothing' cannot be read \(no network, or no such hub id\)"):
        load_backbone(BackboneSpec("nobody/nothing"))


def test_damaged_settings_are_named(tiny_llava_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_llava_folder, copy)
    (copy / "robust_atp.json").write_text("{prompt}")
    with pytest.raises(UserError, match=r"robust_atp\.json is not valid JSON"):
        load_backbone(BackboneSpec(str(copy)))


def test_a_backbone_that_hands_on_its_class_token_is_refused(tiny_llava_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_llava_folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"vision_feature_select_strategy": "full"}))
    with pytest.raises(UserError, match="no place on the grid"):
        load_backbone(BackboneSpec(str(copy)))


def test_registered_names():
    assert SHIPPED == ("phantom", "phantom-shortcut")
    assert "llava" in FAMILIES.names()
