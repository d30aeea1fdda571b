"""Architecture, tokenizer and processor of the phantom backbones: LLaVA, only small."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip import CLIPImageProcessorPil

from robust_atp.phantom.questions import vocabulary
from robust_atp.phantom.world import SIZE

PATCH = 16
WIDTH = 128
JOINT_WIDTH = 64  # of the space that CLIP's image and text towers share
LAYERS = 4

PAD, BOS, UNKNOWN, EOS, IMAGE = "<pad>", "<s>", "<unk>", "</s>", "<image>"
SPECIAL = [PAD, BOS, UNKNOWN, EOS, IMAGE]

PROMPT = "USER: <image>\n{question}"  # ends in the word that is asked about: see questions.py
MAX_NEW_TOKENS = 4


def build_tokenizer(*, closed: bool = False) -> PreTrainedTokenizerFast:
    """Word-level tokenizer: lower case, punctuation dropped. ``closed`` also appends the end token (CLIP)."""
    words = [*SPECIAL, *vocabulary()]
    core = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNKNOWN))
    core.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[?.,:!]"), " ")]
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}" if closed else f"{BOS} $A",
        special_tokens=[(BOS, words.index(BOS)), (EOS, words.index(EOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        unk_token=UNKNOWN,
        eos_token=EOS,
        additional_special_tokens=[IMAGE],
        padding_side="left",
    )


def build_processor() -> LlavaProcessor:
    """Processor as ``llava-hf`` ships it: CLIP preprocessing and an expanded ``<image>`` placeholder."""
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}, do_convert_rgb=True
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=build_tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=1,  # the CLS token, which "default" then drops
    )


def build_clip() -> CLIPModel:
    """Untrained CLIP: the vision tower of the backbone with its text tower and projections."""
    words = len(SPECIAL) + len(vocabulary())
    size: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4}
    vision = CLIPVisionConfig(
        **size, num_hidden_layers=LAYERS, image_size=SIZE, patch_size=PATCH, projection_dim=JOINT_WIDTH
    )
    text = CLIPTextConfig(
        **size,
        num_hidden_layers=2,
        vocab_size=words,
        max_position_embeddings=32,
        projection_dim=JOINT_WIDTH,
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BOS),
        eos_token_id=SPECIAL.index(EOS),
    )
    return CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=JOINT_WIDTH)
    )


def build_llava(clip: CLIPModel) -> LlavaForConditionalGeneration:
    """Untrained projector and language model on top of CLIP's vision tower."""
    language = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=len(SPECIAL) + len(vocabulary()),
        max_position_embeddings=512,
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BOS),
        eos_token_id=SPECIAL.index(EOS),
    )
    config = LlavaConfig(
        vision_config=clip.config.vision_config,
        text_config=language,
        image_token_index=SPECIAL.index(IMAGE),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=(SIZE // PATCH) ** 2,
    )
    llava = LlavaForConditionalGeneration(config)
    _copy_matching(clip.vision_model, llava.model.vision_tower)
    return llava


def _copy_matching(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Copy weights between the vision towers of CLIPModel and LLaVA, whose names differ by a prefix at most."""
    wanted = target.state_dict()
    have = source.state_dict()
    prefix = "vision_model." if all(name.startswith("vision_model.") for name in wanted) else ""
    target.load_state_dict({prefix + name: value for name, value in have.items()})


def save_backbone(folder: Path, clip: CLIPModel, llava: LlavaForConditionalGeneration) -> None:
    """Write a checkpoint folder: LLaVA with its processor, CLIP under ``clip/``, the prompt in ``robust_atp.json``.

    Weights are stored in half precision, as ``llava-hf/llava-1.5-7b-hf`` stores its own.
    """
    llava.half().save_pretrained(folder)
    build_processor().save_pretrained(folder)
    clip.half().save_pretrained(folder / "clip")
    build_tokenizer(closed=True).save_pretrained(folder / "clip")
    settings = {"prompt": PROMPT, "max_new_tokens": MAX_NEW_TOKENS}
    (folder / "robust_atp.json").write_text(json.dumps(settings, indent=1) + "\n")
