"""Microscopic but real BLIP-2 checkpoint folders, with an OPT or a T5 language model."""

import json
from pathlib import Path
from typing import Any

import torch
from tiny_llava import PATCH, SIDE, SPECIAL, WIDTH, WORDS, make_opinionated, word_tokenizer
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    OPTConfig,
    PretrainedConfig,
    T5Config,
)
from transformers.models.blip import BlipImageProcessorPil

from robust_atp.backbones import BackboneSpec, load_backbone
from robust_atp.backbones.blip2 import Blip2

QUERIES = 6
TEMPLATE = "<image>{question} ASSISTANT:"
VOCABULARY = len(SPECIAL) + len(WORDS)


def opt() -> PretrainedConfig:
    """Decoder-only language model."""
    return OPTConfig(
        hidden_size=WIDTH, ffn_dim=64, num_hidden_layers=3, num_attention_heads=4, word_embed_proj_dim=WIDTH,
        vocab_size=VOCABULARY, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


def t5() -> PretrainedConfig:
    """Encoder–decoder language model, gated as Flan-T5's."""
    config = T5Config(
        d_model=WIDTH, d_kv=8, d_ff=64, num_layers=3, num_decoder_layers=2, num_heads=4, vocab_size=VOCABULARY,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    config.decoder_start_token_id = 0
    return config


LANGUAGES = {"opt": opt, "t5": t5}


def load_blip2(folder: Path, **choices: Any) -> Blip2:
    """Load such a checkpoint through ``load_backbone``."""
    backbone = load_backbone(BackboneSpec(str(folder), **choices))
    assert isinstance(backbone, Blip2)
    return backbone


def tiny_blip2(folder: Path, language: PretrainedConfig, seed: int = 0) -> Path:
    """Write the checkpoint to ``folder`` (16 patches, 6 queries, width 32) and return it."""
    torch.manual_seed(seed)
    vision = Blip2VisionConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        image_size=SIDE, patch_size=PATCH, initializer_range=0.02,
    )  # fmt: skip
    qformer = Blip2QFormerConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        cross_attention_frequency=2,
    )  # fmt: skip
    config = Blip2Config(
        vision_config=vision, qformer_config=qformer, text_config=language, num_query_tokens=QUERIES,
        image_token_index=SPECIAL.index("<image>"),
    )  # fmt: skip
    model = Blip2ForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.query_tokens)
    make_opinionated(model)
    model.save_pretrained(folder)
    tokenizer = word_tokenizer(["<image>"])
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    Blip2Processor(images, tokenizer, num_query_tokens=QUERIES).save_pretrained(folder)
    settings = {"prompt": TEMPLATE, "max_new_tokens": 4}
    (folder / "robust_atp.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
