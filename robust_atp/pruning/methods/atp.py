"""ATP: CLS attention and similarity with the question, mixed."""

from robust_atp.pruning.budgets import Budget, CumulativeMass, FixedRatio
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of, within
from robust_atp.pruning.scores import Attention, TextSimilarity, WeightedSum, min_max, unchanged, z_score

_SIGNALS = {"given": "cls_attention", "received": "received_attention"}
_NORMALISATIONS = {"minmax": min_max, "zscore": z_score, "none": unchanged}


def atp(
    alpha: float = 0.5,
    attention: str = "given",
    layer: str = "projected",
    similarity_sign: int = 1,
    normalisation: str = "minmax",
    budget: str = "fixed",
    temperature: float = 0.1,
    position_policy: str = "compacted",
) -> Method:
    """Keep the top K by ``α · norm(cos(patch, question)) + (1 − α) · norm(attention)``.

    The paper (no code was published) leaves the following open; the first value is our default.

    - ``alpha`` 0.5 in [0, 1]: the paper gives no value. At 0 the question plays no part and no text tower
      is needed, at 1 the attention plays none.
    - ``attention`` given | received: what the CLS token gives to a patch, mean over heads. The printed
      ``S_intra(i) = Σ_j Attention_ij / Z`` sums a softmax over its own keys, which is 1 for every i; its
      other meaningful reading is the attention that patch i receives, mean over heads and all queries.
    - ``layer`` projected | last: the layer whose output LLaVA projects (the last but one), or literally the
      "final layer".
    - ``similarity_sign`` 1 | -1: the paper's rule, or its opposite, since CLIP patches tend to be least like
      the text that describes them.
    - ``normalisation`` minmax | zscore | none, per sample; the paper only says N(·).
    - ``budget`` fixed | cumulative_mass: K = keep · N, or our own extension in which ``keep`` is the share of
      softmax(score / ``temperature``) to be covered and K varies, see ``CumulativeMass``. For K by spectral
      energy name ``atp`` as the ranker of ``e-adaprune``.
    - ``position_policy`` compacted | original: not specified in the paper.

    Patches enter the joint space as ``visual_projection(post_layernorm(h_last))``. Tokens are cut
    once, at the projector, although the abstract says "progressively".
    """
    within("alpha", alpha, 0, 1)
    within("temperature", temperature, 1e-4, 1e4)
    one_of("attention", attention, tuple(_SIGNALS))
    one_of("layer", layer, ("projected", "last"))
    one_of("similarity_sign", similarity_sign, (1, -1))
    one_of("normalisation", normalisation, tuple(_NORMALISATIONS))
    one_of("budget", budget, ("fixed", "cumulative_mass"))
    parts = (
        (alpha, TextSimilarity(similarity_sign)),
        (1 - alpha, Attention(f"{_SIGNALS[attention]}:{layer}")),
    )
    chosen_budget: Budget = FixedRatio() if budget == "fixed" else CumulativeMass(temperature)
    return Method(
        "atp",
        "keeps by CLS attention and similarity with the question",
        WeightedSum(parts, _NORMALISATIONS[normalisation]),
        budget=chosen_budget,
        position_policy=position_policy,
        paper="Efficient Vision-Language Reasoning via Adaptive Token Pruning, arXiv:2512.12701",
    )
