"""Top-K by CLS attention of the vision tower."""

from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of
from robust_atp.pruning.scores import Attention


def cls_attention(layer: str = "projected", position_policy: str = "compacted") -> Method:
    """Keep the tokens that the vision tower's CLS token attends to most, mean over heads.

    ``layer`` is the layer whose output is ``projected`` (the default, as in FasterVLM), or the ``last`` one.
    """
    one_of("layer", layer, ("projected", "last"))
    return Method(
        "cls-attention",
        "keeps what the CLS token attends to",
        Attention(f"cls_attention:{layer}"),
        position_policy=position_policy,
        paper="Zhang et al., FasterVLM, arXiv:2412.01818v1",
    )
