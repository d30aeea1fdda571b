"""The phantom Flamingo: vision tower, perceiver resampler and a decoder with gated cross-attention, only small.

Built of the classes of Idefics v1, Flamingo's open reproduction.
"""

from transformers import CLIPModel, IdeficsConfig, IdeficsForVisionText2Text, IdeficsProcessor
from transformers.models.idefics import IdeficsImageProcessorPil

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

SIDE = 8  # the latents are trained to report on a grid of 8 × 8 cells: see training/flamingo.py
HEADS = 4

AROUND_IMAGE = "<fake_token_around_image>"  # what Idefics' processor writes on both sides of an image
PROMPT = f"USER:{AROUND_IMAGE}{IMAGE}{AROUND_IMAGE}{{question}}"


def build_processor() -> IdeficsProcessor:
    """Processor as ``HuggingFaceM4/idefics-9b`` ships it: one placeholder stands for an image of any size."""
    tokenizer = build_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE, AROUND_IMAGE]})
    return IdeficsProcessor(IdeficsImageProcessorPil(image_size=SIZE), tokenizer)


def build_flamingo(clip: CLIPModel) -> IdeficsForVisionText2Text:
    """Untrained resampler and decoder on top of CLIP's vision tower, which is frozen.

    The tower hands on what leaves its last layer, unnormed and with the CLS token. That layer's patches still
    tell shape and colour of the object under them without error, and its place with R² 0.97 (0.99 one layer
    below, where LLaVA reads; linear readers, measured).
    """
    config = IdeficsConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        vocab_size=len(SPECIAL) + len(vocabulary()),
        additional_vocab_size=1,  # AROUND_IMAGE
        max_position_embeddings=512,
        cross_layer_interval=2,
        alpha_initializer="ones",  # gates half open: nothing here was trained without images before
        freeze_text_layers=False,
        use_resampler=True,
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BOS),
        eos_token_id=SPECIAL.index(EOS),
        vision_config={
            "embed_dim": WIDTH,
            "image_size": SIZE,
            "patch_size": PATCH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "hidden_act": "quick_gelu",
        },
        perceiver_config={
            "use_resampler": True,
            "resampler_n_latents": SIDE**2,
            "resampler_depth": 2,
            "resampler_n_heads": HEADS,
            "resampler_head_dim": WIDTH // HEADS,
        },
    )
    flamingo = IdeficsForVisionText2Text(config)
    flamingo.model.vision_model.load_state_dict(clip.vision_model.state_dict())
    return flamingo
