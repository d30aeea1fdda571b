"""The phantom BLIP-2: vision tower, Q-Former and OPT decoder, only small."""

from typing import Any

import torch
from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    Blip2VisionModel,
    CLIPModel,
    OPTConfig,
)
from transformers.models.blip import BlipImageProcessorPil

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

SIDE = 7  # the queries are trained to report on a grid of 7 × 7 cells: see training/two_stages.py
QUERIES = SIDE**2
QFORMER_LAYERS = 3

PROMPT = "<image>{question}"

# Of the elements of the phantom CLIP's patch embeddings; between patches it varies by 0.25 (300 scenes, measured).
MEAN_DEVIATION = 0.87


def build_processor() -> Blip2Processor:
    """Processor as ``Salesforce/blip2-opt-2.7b`` ships it: BLIP preprocessing and one placeholder for each query."""
    images = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    return Blip2Processor(images, build_tokenizer(), num_query_tokens=QUERIES)


def build_blip2() -> Blip2ForConditionalGeneration:
    """Untrained BLIP-2 with a vision tower of the shape of CLIP's."""
    size: dict[str, Any] = {"hidden_size": WIDTH, "num_attention_heads": 4}
    vision = Blip2VisionConfig(
        **size,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        image_size=SIZE,
        patch_size=PATCH,
        hidden_act="quick_gelu",
        layer_norm_eps=1e-5,
        initializer_range=0.02,
    )
    qformer = Blip2QFormerConfig(
        **size,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=QFORMER_LAYERS,
        cross_attention_frequency=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    language = OPTConfig(
        **size,
        ffn_dim=4 * WIDTH,
        num_hidden_layers=LAYERS,
        word_embed_proj_dim=WIDTH,
        vocab_size=len(SPECIAL) + len(vocabulary()),
        max_position_embeddings=128,
        dropout=0.0,
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BOS),
        eos_token_id=SPECIAL.index(EOS),
    )
    blip2 = Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=vision,
            qformer_config=qformer,
            text_config=language,
            num_query_tokens=QUERIES,
            image_token_index=SPECIAL.index(IMAGE),
        )
    )
    # Queries start at zero, all alike, and would stay alike.
    torch.nn.init.normal_(blip2.query_tokens)
    return blip2


@torch.no_grad()
def copy_vision_tower(clip: CLIPModel, tower: Blip2VisionModel) -> None:
    """Copy CLIP's vision tower as far as its architecture allows.

    BLIP-2's has no LayerNorm before its first layer. That of CLIP centres and scales, which is linear and goes into
    the embeddings, and divides by each patch's own standard deviation, which here becomes one number for all. The
    hidden states then differ by 2 to 5 % of their variance; `training/distillation.py` makes up for it.
    """
    source: Any = clip.vision_model
    own: Any = tower
    norm, embeddings = source.pre_layrnorm, source.embeddings
    gain = norm.weight / MEAN_DEVIATION

    def normed(vectors: Tensor) -> Tensor:
        """Centre and scale vectors [..., D]."""
        return (vectors - vectors.mean(-1, keepdim=True)) * gain

    patches, places = embeddings.patch_embedding.weight, embeddings.position_embedding.weight
    own.embeddings.patch_embedding.weight.copy_(normed(patches.movedim(0, -1)).movedim(-1, 0))
    own.embeddings.patch_embedding.bias.zero_()
    own.embeddings.position_embedding[0].copy_(normed(places) + norm.bias)
    # The CLS token is the same in every picture, so its norm is exact.
    own.embeddings.position_embedding[0, 0].copy_(norm(embeddings.class_embedding + places[0]))
    own.embeddings.class_embedding.zero_()
    for theirs, mine in zip(source.encoder.layers, own.encoder.layers, strict=True):
        projections = [getattr(theirs.self_attn, name) for name in ("q_proj", "k_proj", "v_proj")]
        mine.self_attn.qkv.weight.copy_(torch.cat([projection.weight for projection in projections]))
        mine.self_attn.qkv.bias.copy_(torch.cat([projection.bias for projection in projections]))
        mine.self_attn.projection.load_state_dict(theirs.self_attn.out_proj.state_dict())
        for name in ("layer_norm1", "layer_norm2", "mlp"):
            getattr(mine, name).load_state_dict(getattr(theirs, name).state_dict())
    own.post_layernorm.load_state_dict(source.post_layernorm.state_dict())
