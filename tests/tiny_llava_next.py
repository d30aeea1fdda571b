"""A microscopic but real LLaVA-NeXT checkpoint folder: tiles of 56 pixels with 16 visual tokens each."""

import json
from pathlib import Path

import torch
from tiny_llava import (
    PATCH,
    SIDE,
    SPECIAL,
    TEMPLATE,
    make_opinionated,
    save_clip,
    tiny_decoder,
    tiny_tower,
    word_tokenizer,
)
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextProcessor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]


def tiny_llava_next(folder: Path, seed: int = 1) -> Path:
    """Write the checkpoint to ``folder``, with CLIP in ``clip/``, and return it."""
    torch.manual_seed(seed)
    model = LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config=tiny_tower(), text_config=tiny_decoder(), image_token_index=SPECIAL.index("<image>"),
            vision_feature_layer=-2, image_grid_pinpoints=PINPOINTS,
        )
    ).eval()  # fmt: skip
    make_opinionated(model)
    model.save_pretrained(folder)
    words = word_tokenizer({"image_token": "<image>"})
    LlavaNextProcessor(
        LlavaNextImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
            image_grid_pinpoints=PINPOINTS,
        ),
        words, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    save_clip(folder / "clip", tiny_tower(), model.model.vision_tower, words)
    settings = {"prompt": TEMPLATE, "max_new_tokens": 4}
    (folder / "robust_atp.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
