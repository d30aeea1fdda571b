"""What the phantom backbones share: size, words, tokenizer, CLIP, and what a checkpoint folder holds."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)

from robust_atp.phantom.questions import vocabulary
from robust_atp.phantom.world import SIZE

PATCH = 16
WIDTH = 128
JOINT_WIDTH = 64  # of the space that CLIP's image and text towers share
LAYERS = 4

PAD, BOS, UNKNOWN, EOS, IMAGE = "<pad>", "<s>", "<unk>", "</s>", "<image>"
SPECIAL = [PAD, BOS, UNKNOWN, EOS, IMAGE]

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


def build_clip() -> CLIPModel:
    """Untrained CLIP: the vision tower of the backbones with its text tower and projections."""
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


def save_backbone(
    folder: Path, clip: CLIPModel, model: PreTrainedModel, processor: ProcessorMixin, prompt: str
) -> None:
    """Write a checkpoint folder: model with its processor, CLIP under ``clip/``, the prompt in ``robust_atp.json``.

    Weights are stored in half precision, as ``llava-hf/llava-1.5-7b-hf`` stores its own.
    """
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    clip.half().save_pretrained(folder / "clip")
    build_tokenizer(closed=True).save_pretrained(folder / "clip")
    settings = {"prompt": prompt, "max_new_tokens": MAX_NEW_TOKENS}
    (folder / "robust_atp.json").write_text(json.dumps(settings, indent=1) + "\n")
