"""Vision-language models, each cut at the same seam: encode images | prune | answer."""

from robust_atp.backbones.checkpoint import SHIPPED
from robust_atp.backbones.loading import FAMILIES, BackboneSpec, load_backbone

__all__ = ["FAMILIES", "SHIPPED", "BackboneSpec", "load_backbone"]
