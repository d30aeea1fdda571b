"""A microscopic but real LLaVA checkpoint folder: processor, tokenizer, weights and matching CLIP."""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
WORDS = """
    USER ASSISTANT : ? yes no what color shape is the there a how many on left right of red blue green
    circle square star grass sand water one two three four top bottom it background behind
""".split()  # noqa: SIM905
TEMPLATE = "USER: <image>\n{question} ASSISTANT:"
QUESTIONS = [
    "what color is the star",
    "is there a red circle ?",
    "how many",
    "what shape is on the left of the star",
]
SIDE, PATCH, WIDTH = 56, 14, 32


def tiny_llava(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint to ``folder`` (16 visual tokens, width 32) and return it."""
    torch.manual_seed(seed)
    vision, decoder = tiny_tower(), tiny_decoder()
    model = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=decoder, image_token_index=SPECIAL.index("<image>"),
                    vision_feature_layer=-2, image_seq_length=(SIDE // PATCH) ** 2)
    ).eval()  # fmt: skip
    make_opinionated(model)
    model.save_pretrained(folder)
    words = word_tokenizer({"image_token": "<image>"})
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        words, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    save_clip(folder / "clip", vision, model.model.vision_tower, words)
    settings = {"prompt": TEMPLATE, "max_new_tokens": 4}
    (folder / "robust_atp.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def tiny_tower() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        image_size=SIDE, patch_size=PATCH, projection_dim=16,
    )  # fmt: skip


def tiny_decoder() -> LlamaConfig:
    return LlamaConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, vocab_size=len(SPECIAL) + len(WORDS),
        max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


def photos(count: int, seed: int = 0) -> list[np.ndarray]:
    """Random blocky uint8 images of different, non-square sizes."""
    rng = np.random.default_rng(seed)
    sizes = [(56, 56), (70, 90), (120, 64), (40, 80)]
    images = []
    for number in range(count):
        height, width = sizes[number % len(sizes)]
        coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        images.append(
            np.kron(coarse, np.ones((height // 5 + 1, width // 5 + 1, 1), np.uint8))[:height, :width]
        )
    return images


def make_opinionated(model: PreTrainedModel) -> None:
    """Scale up the weights: at their initial size every image gets the same answer and no test could fail."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(8.0 if "vision_" not in name else 6.0)


def word_tokenizer(special: dict[str, str] | list[str]) -> PreTrainedTokenizerFast:
    """Build a tokenizer of a few words; ``special`` are its special tokens beyond the usual ones, named or not."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        padding_side="left", extra_special_tokens=special,
    )  # fmt: skip


def save_clip(
    folder: Path, vision: CLIPVisionConfig, tower: torch.nn.Module, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Write a CLIP model with this vision tower and a text tower of its own to ``folder``."""
    text = CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=16,
        vocab_size=len(SPECIAL) + len(WORDS), max_position_embeddings=12,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    clip = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    ).eval()
    clip.vision_model.load_state_dict(tower.state_dict())
    clip.save_pretrained(folder)
    ending = tokenizer.backend_tokenizer
    ending.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.save_pretrained(folder)
