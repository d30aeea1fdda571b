"""The phantom BLIP-2: vision tower, Q-Former and OPT decoder, only small."""

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

SIDE = 7  # the queries are trained to report on a grid of 7 × 7 cells: see training/blip2.py
QUERIES = SIDE**2
QFORMER_LAYERS = 3

PROMPT = "<image>{question}"


def build_processor() -> Blip2Processor:
    """Processor as ``Salesforce/blip2-opt-2.7b`` ships it: BLIP preprocessing and one placeholder for each query."""
    images = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    return Blip2Processor(images, build_tokenizer(), num_query_tokens=QUERIES)


def build_blip2() -> Blip2ForConditionalGeneration:
    """Untrained BLIP-2 with a vision tower of the shape of CLIP's."""
    size = {"hidden_size": WIDTH, "num_attention_heads": 4}
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

    BLIP-2's has no LayerNorm before its first layer. Centring and gain of CLIP's are linear and go into the
    embeddings; the division by each patch's own standard deviation becomes one by the mean of all, which is
    0.87 ± 0.25 on the phantom's pictures. The distillation makes up for the rest.
    """
    source = clip.vision_model
    norm, embeddings = source.pre_layrnorm, source.embeddings
    gain = norm.weight / MEAN_DEVIATION

    def normed(vectors: Tensor) -> Tensor:
        """Centre and scale vectors [..., D]."""
        return (vectors - vectors.mean(-1, keepdim=True)) * gain

    own = tower.embeddings
    kernel = embeddings.patch_embedding.weight.movedim(0, -1)  # [3, P, P, D]
    own.patch_embedding.weight.copy_(normed(kernel).movedim(-1, 0))
    own.patch_embedding.bias.zero_()
    own.class_embedding.copy_(0)
    own.position_embedding[0].copy_(normed(embeddings.position_embedding.weight) + norm.bias)
    cls = embeddings.class_embedding + embeddings.position_embedding.weight[0]
    own.position_embedding[0, 0].copy_(norm(cls))  # the same in every picture, so exact
    for theirs, mine in zip(source.encoder.layers, tower.encoder.layers, strict=True):
        attention = theirs.self_attn
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        mine.self_attn.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
        mine.self_attn.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
        mine.self_attn.projection.load_state_dict(attention.out_proj.state_dict())
        for name in ("layer_norm1", "layer_norm2", "mlp"):
            mine.get_submodule(name).load_state_dict(theirs.get_submodule(name).state_dict())
    tower.post_layernorm.load_state_dict(source.post_layernorm.state_dict())


MEAN_DEVIATION = 0.87
