"""The phantom LLaVA: CLIP's vision tower, projector and Llama decoder, only small."""

import torch
from transformers import CLIPModel, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
from transformers.models.clip import CLIPImageProcessorPil

from robust_atp.phantom.model import (
    BOS,
    EOS,
    IMAGE,
    LAYERS,
    PAD,
    PATCH,
    SPECIAL,
    WIDTH,
    build_tokenizer,
)
from robust_atp.phantom.questions import vocabulary
from robust_atp.phantom.world import SIZE

PROMPT = "USER: <image>\n{question}"  # ends in the word that is asked about: see questions.py


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
