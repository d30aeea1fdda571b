"""Images through a CLIP tower that drops patches on the way, or that sees a smaller image."""

from dataclasses import replace

from torch import Tensor

from robust_atp.backbones.clip_vision import ClipVision
from robust_atp.backbones.seam import Thinned, VisionTokens
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning, embed_pixels, pass_thinned


def encode_thinned(vision: ClipVision, pixels: Tensor, thinning: Thinning) -> list[VisionTokens]:
    """Encode pixels [B, 3, H, W], patches leaving between the tower's layers as ``thinning`` says."""
    shape = vision.shape
    hidden = embed_pixels(vision.tower, pixels)
    leaving, thinned, tokens_per_layer = pass_thinned(vision.layers, hidden, thinning, shape.layers)
    features = vision.projector(leaving)  # [B, K + M, D]
    flops = shape.flops(tokens_per_layer, features.shape[1])
    return [
        VisionTokens(own, vision.grid, thinned=what, encode_flops=flops)
        for own, what in zip(features, thinned, strict=True)
    ]


def encode_shrunk(vision: ClipVision, pixels: Tensor, shrinking: Shrinking) -> list[VisionTokens]:
    """Encode pixels [B, 3, H, W] shrunk to fewer patches, which take the nearest places on the whole grid."""
    shape = vision.shape
    hidden = embed_pixels(vision.tower, shrinking.shrink(pixels, vision.tower.config.patch_size))
    for layer in vision.layers[: shape.layers]:
        hidden = layer(hidden, None)
    features = vision.projector(hidden[:, 1:])  # [B, K, D]
    tokens_per_layer = [1 + shrinking.count] * shape.layers
    flops = replace(shape, patches=shrinking.count).flops(tokens_per_layer, shrinking.count)
    places = shrinking.places(vision.grid).to(features.device)
    shrunk = Thinned((places,), places[:0], shape.patches)
    return [VisionTokens(own, vision.grid, thinned=shrunk, encode_flops=flops) for own in features]
