"""A microscopic but real Idefics checkpoint folder: processor, tokenizer, weights and matching CLIP."""

import json
from pathlib import Path

import torch
from tiny_llava import (
    PATCH,
    SIDE,
    SPECIAL,
    WIDTH,
    WORDS,
    make_opinionated,
    save_clip,
    tiny_tower,
    word_tokenizer,
)
from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsProcessor
from transformers.models.idefics import IdeficsImageProcessorPil

AROUND_IMAGE = "<fake_token_around_image>"
TEMPLATE = f"USER: {AROUND_IMAGE}<image>{AROUND_IMAGE}{{question}} ASSISTANT:"
LATENTS = 6


def tiny_flamingo(folder: Path, seed: int = 0, *, resampler: bool = True) -> Path:
    """Write the checkpoint to ``folder`` (16 patches, 6 latents, width 32, text width 48) and return it."""
    torch.manual_seed(seed)
    model = IdeficsForVisionText2Text(
        IdeficsConfig(
            hidden_size=48, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4,
            vocab_size=len(SPECIAL) + len(WORDS), additional_vocab_size=1, max_position_embeddings=256,
            cross_layer_interval=2, alpha_initializer="ones", qk_layer_norms=True, use_resampler=resampler,
            pad_token_id=0, bos_token_id=1, eos_token_id=2,
            vision_config={
                "embed_dim": WIDTH, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                "image_size": SIDE, "patch_size": PATCH, "hidden_act": "quick_gelu",
            },
            perceiver_config={
                "use_resampler": resampler, "resampler_n_latents": LATENTS, "resampler_depth": 2,
                "resampler_n_heads": 4, "resampler_head_dim": 4, "qk_layer_norms_perceiver": True,
            },
        )
    ).eval()  # fmt: skip
    make_opinionated(model)
    if resampler:
        torch.nn.init.normal_(model.model.perceiver_resampler.latents)  # or they would drown what they read
    model.save_pretrained(folder)
    tokenizer = word_tokenizer(["<image>", AROUND_IMAGE])
    IdeficsProcessor(IdeficsImageProcessorPil(image_size=SIDE), tokenizer).save_pretrained(folder)
    save_clip(folder / "clip", tiny_tower(), model.model.vision_model, word_tokenizer(["<image>"]))
    settings = {"prompt": TEMPLATE, "max_new_tokens": 4}
    (folder / "robust_atp.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
