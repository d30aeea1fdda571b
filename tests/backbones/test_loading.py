"""From a name to a backbone: what is found, what is refused and how."""

import json
import shutil

import pytest
from tiny_llava import QUESTIONS, TEMPLATE, photos
from transformers import LlavaForConditionalGeneration

from robust_atp.backbones import FAMILIES, SHIPPED, BackboneSpec, load_backbone
from robust_atp.backbones.checkpoint import content_hash, find_checkpoint, find_source
from robust_atp.backbones.llava import Llava
from robust_atp.backbones.loading import capabilities
from robust_atp.backbones.tasks import Asking
from robust_atp.errors import UserError
from robust_atp.pruning import keep_indices
from robust_atp.tasks import CAPTION, SHORT_ANSWER


def test_settings_come_from_the_study_then_from_the_folder(tiny_backbone, tiny_llava_folder):
    asked = Asking("USER: <image>\n{question} ASSISTANT:", 4)
    assert tiny_backbone.language.words.asking == {SHORT_ANSWER: asked, CAPTION: asked}
    spec = BackboneSpec(str(tiny_llava_folder), prompt="<image> {question} :", max_new_tokens=2)
    other = load_backbone(spec)
    assert isinstance(other, Llava)
    assert other.language.words.asking[SHORT_ANSWER] == Asking("<image> {question} :", 2)
    assert other.prompts == {SHORT_ANSWER: "<image> {question} :", CAPTION: "<image> {question} :"}


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


def test_a_prompt_that_cannot_ask_is_refused(tiny_llava_folder):
    with pytest.raises(UserError, match=r"prompt must hold <image> once and {question} once"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), prompt="<image>"))


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
    with pytest.raises(UserError, match=r"model_type 'bert'; supported: .*llava"):
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
    assert SHIPPED == ("phantom", "phantom-shortcut", "phantom-blip2", "phantom-flamingo")
    assert {"blip-2", "idefics", "llava"} <= set(FAMILIES.names())


@pytest.fixture
def on_the_hub(tiny_llava_folder, tmp_path, monkeypatch):
    """The tiny checkpoint in a cache of the Hub, as ``someone/tiny`` at the commit that is returned; no network."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(tiny_llava_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return commit


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_branch_on_the_hub_is_resolved_to_its_commit_and_loaded_from_there(
    on_the_hub, tiny_backbone, revision, monkeypatch
):
    asked = []
    load = LlavaForConditionalGeneration.from_pretrained

    def spying(*arguments, **options):
        asked.append(options["revision"])
        return load(*arguments, **options)

    monkeypatch.setattr(LlavaForConditionalGeneration, "from_pretrained", spying)
    # robust_atp.json is a folder's own, so what it says is said here.
    spec = BackboneSpec("someone/tiny", revision=revision, prompt=TEMPLATE, max_new_tokens=4)
    backbone = load_backbone(spec)
    assert backbone.revision == on_the_hub
    assert asked == [on_the_hub]  # not the branch, which may have moved since
    assert answered(backbone) == answered(tiny_backbone)


def answered(backbone):
    tokens = backbone.encode(photos(3), frozenset())
    return backbone.answer(keep_indices(tokens, [range(len(t.features)) for t in tokens]), QUESTIONS[:3])


def test_a_folder_has_no_revision(tiny_llava_folder):
    with pytest.raises(UserError, match="only hub ids have a revision; got 'main'"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), revision="main"))


def test_code_of_a_checkpoint_is_never_run(tiny_llava_folder, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "own.Own"}})
    )
    (tmp_path / "own.py").write_text("raise SystemExit('this code ran')")
    with pytest.raises(UserError, match=r"model_type 'mine'.*\(auto_map\) is never run"):
        load_backbone(BackboneSpec(str(tmp_path)))


def test_a_processor_with_code_of_its_own_is_read_by_ours(tiny_llava_folder, tiny_backbone, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_llava_folder, copy)
    settings = json.loads((copy / "processor_config.json").read_text())
    (copy / "processor_config.json").write_text(
        json.dumps(settings | {"auto_map": {"AutoProcessor": "own.Own"}})
    )
    (copy / "own.py").write_text("raise SystemExit('this code ran')")
    assert answered(load_backbone(BackboneSpec(str(copy)))) == answered(tiny_backbone)


def test_weights_can_be_spread_by_a_device_map(tiny_llava_folder, tiny_backbone):
    pytest.importorskip("accelerate")
    spread = load_backbone(BackboneSpec(str(tiny_llava_folder), device_map={"": "cpu"}))
    assert answered(spread) == answered(tiny_backbone)


@pytest.mark.parametrize(
    ("asked", "package"),
    [
        ({"quantization": {"quant_method": "torchao"}}, "torchao"),
        ({"quantization": {"load_in_4bit": True}}, "bitsandbytes"),
        ({"device_map": "auto"}, "accelerate"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_loaded(tiny_llava_folder, monkeypatch, asked, package):
    monkeypatch.setattr("robust_atp.backbones.packages.find_spec", lambda name: None)
    with pytest.raises(UserError, match=f"needs the package {package}: pip install {package}"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), **asked))


def test_a_checkpoint_that_is_quantised_needs_its_package_too(tiny_llava_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("robust_atp.backbones.packages.find_spec", lambda name: None)
    config = json.loads((tiny_llava_folder / "config.json").read_text())
    quantised = config | {"quantization_config": {"quant_method": "torchao"}}
    (tmp_path / "config.json").write_text(json.dumps(quantised))
    with pytest.raises(UserError, match="quantization by torchao needs the package torchao"):
        capabilities(BackboneSpec(str(tmp_path)), find_checkpoint(str(tmp_path)))


def test_a_quantisation_that_transformers_does_not_know_is_refused(tiny_llava_folder):
    with pytest.raises(UserError, match="quantization is not what transformers takes: Unknown quant"):
        load_backbone(BackboneSpec(str(tiny_llava_folder), quantization={"quant_method": "magic"}))


def test_quantised_weights_answer_like_the_full_ones(tiny_llava_folder, tiny_backbone):
    pytest.importorskip("torchao")
    from torchao.core.config import config_to_dict
    from torchao.quantization import Int8WeightOnlyConfig

    quantization = {
        "quant_method": "torchao",
        "quant_type": {"default": config_to_dict(Int8WeightOnlyConfig())},
        "modules_to_not_convert": ["model.vision_tower"],
    }
    backbone = load_backbone(BackboneSpec(str(tiny_llava_folder), quantization=quantization))
    assert backbone.shape == tiny_backbone.shape  # the same operations, whatever the weights are packed in
    quantised, full = answered(backbone), answered(tiny_backbone)
    assert [a.first_token_logprob for a in quantised] != [a.first_token_logprob for a in full]
    assert [a.first_token_logprob for a in quantised] == pytest.approx(
        [a.first_token_logprob for a in full], abs=0.3
    )


def test_unknown_options_of_a_family_are_refused(tiny_llava_folder):
    for options, message in (
        ({"preprocesing": "pad"}, r"no option 'preprocesing'; it has: preprocessing   \(did you mean"),
        ({"preprocessing": "padd"}, r"'padd' is not one of: crop, pad   \(did you mean 'pad'\?\)"),
    ):
        with pytest.raises(UserError, match=message):
            load_backbone(BackboneSpec(str(tiny_llava_folder), options=options))


def test_what_the_config_promises_is_what_is_loaded(tiny_llava_folder, tiny_backbone):
    found = find_checkpoint(str(tiny_llava_folder))
    assert capabilities(BackboneSpec(str(tiny_llava_folder)), found) == tiny_backbone.capabilities
