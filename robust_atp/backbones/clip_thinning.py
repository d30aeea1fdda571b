"""Images encoded by a CLIP tower that drops patches on the way, or sees fewer of them."""

from dataclasses import replace

import torch
from torch import Tensor

from robust_atp.backbones.clip_vision import ClipVision
from robust_atp.backbones.seam import Thinned, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning, embed_pixels, inner_tower, pass_thinned


@torch.inference_mode()
def encode_thinned(
    vision: ClipVision, pixels: Tensor, thinning: Thinning | Shrinking, area: str
) -> list[VisionTokens]:
    """Visual tokens of B images from their preprocessed pixels [B, 3, H, W], without signals."""
    if isinstance(thinning, Shrinking):
        return _encode_shrunk(vision, pixels, thinning, area)
    layers = inner_tower(vision.tower).encoder.layers
    leaving, thinned, tokens_per_layer = pass_thinned(
        layers, embed_pixels(vision.tower, pixels), thinning, vision.shape.layers
    )
    features = vision.projector(leaving)  # [B, K + M, D]
    flops = vision.shape.flops(tokens_per_layer, features.shape[1])
    return [
        VisionTokens(own, vision.grid, area=area, thinned=what, encode_flops=flops)
        for own, what in zip(features, thinned, strict=True)
    ]


def _encode_shrunk(vision: ClipVision, pixels: Tensor, shrinking: Shrinking, area: str) -> list[VisionTokens]:
    shape = vision.shape
    hidden = embed_pixels(vision.tower, shrinking.shrink(pixels, vision.tower.config.patch_size))
    for layer in inner_tower(vision.tower).encoder.layers[: shape.layers]:
        hidden = layer(hidden, None)
    features = vision.projector(hidden[:, 1:])  # [B, K, D]
    tokens_per_layer = [1 + shrinking.count] * shape.layers
    flops = replace(shape, patches=shrinking.count).flops(tokens_per_layer, shrinking.count)
    places = shrinking.places(vision.grid).to(features.device)
    shrunk = Thinned((places,), places[:0], shape.patches)
    return [VisionTokens(own, vision.grid, area=area, thinned=shrunk, encode_flops=flops) for own in features]
