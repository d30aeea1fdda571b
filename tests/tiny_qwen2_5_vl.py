"""A microscopic but real Qwen2.5-VL checkpoint folder: 14 × 14 pixels to a visual token, windows of 2 × 2 of them."""

import json
from pathlib import Path

import torch
from tiny_llava import SPECIAL, TEMPLATE, WIDTH, WORDS, make_opinionated, word_tokenizer
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

PATCH = 7
IMAGE = SPECIAL.index("<image>")


def tiny_qwen2_5_vl(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint to ``folder`` and return it: 12 to 30 tokens, full attention in layers 2 and 4 of 4."""
    torch.manual_seed(seed)
    vision = {
        "depth": 4, "hidden_size": WIDTH, "intermediate_size": 64, "num_heads": 4, "patch_size": PATCH,
        "window_size": 4 * PATCH, "fullatt_block_indexes": [1, 3], "out_hidden_size": WIDTH,
    }  # fmt: skip
    decoder = {
        "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(SPECIAL) + len(WORDS),
        "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
    }  # fmt: skip
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            vision_config=vision, text_config=decoder,
            image_token_id=IMAGE, video_token_id=len(SPECIAL) + len(WORDS) - 1,
        )
    ).eval()  # fmt: skip
    make_opinionated(model)
    model.save_pretrained(folder)
    word_tokenizer({"image_token": "<image>"}).save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=PATCH, min_pixels=12 * (2 * PATCH) ** 2, max_pixels=30 * (2 * PATCH) ** 2
    ).save_pretrained(folder)
    settings = {"prompt": TEMPLATE, "max_new_tokens": 4}
    (folder / "robust_atp.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
