"""FasterVLM: what the vision tower's CLS token attends to."""

from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Attention


def fastervlm(position_policy: str = "compacted") -> Method:
    """Keep the top K by CLS attention, mean over heads, of the layer whose output is projected.

    - ``position_policy`` compacted | original: the released code renumbers what is kept.

    ``cls-attention`` is the same rule with the layer open.
    """
    return Method(
        "fastervlm",
        "keeps what the CLS token attends to",
        Attention("cls_attention:projected"),
        position_policy=position_policy,
        paper="Zhang et al., [CLS] Attention is All You Need for Training-Free Visual Token Pruning (FasterVLM), "
        "arXiv:2412.01818v1",
    )
