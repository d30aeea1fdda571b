"""Claims of the papers behind the pruning methods: the papers' figures, not ours."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper as a test: ``measure`` must be ``at least`` or ``below`` the ``threshold``.

    ``pruner`` is the method's registered name and ``share`` the visual tokens, averaged over the decoder's layers,
    that the paper kept; None where it names no budget, and then every budget of a study is tested. ``quoted``
    is the claim as it reads, with the conditions under which it was made.
    """

    system: str
    pruner: str
    quoted: str
    measure: str
    rule: Literal["at least", "below"]
    threshold: float
    share: float | None = None


_ATP = "ATP (arXiv 2512.12701)"
_ADAPTINFER = "AdaptInfer (arXiv 2508.06084)"
_E_ADAPRUNE = "E-AdaPrune (arXiv 2603.05950)"
_ATP_LLAVA = "ATP-LLaVA (CVPR 2025)"
_TRANSPRUNE = "TransPrune (CVPR 2026)"
_HEATVIT = "HeatViT (HPCA 2023)"

# AdaptInfer's budget of 64 is 82.9 tokens of 576 averaged over 32 layers. TransPrune-High spends 1.557 of 3.817 TFLOPs
# on visual tokens: its saving is its budget, and no claim to test where operations on text are counted too.
LITERATURE: tuple[Claim, ...] = (
    Claim(
        _ATP,
        "atp",
        "FLOPs down by about 40 % (LLaVA-7B, 60 % of tokens, estimated)",
        "flops saved",
        "at least",
        0.40,
        0.60,
    ),
    Claim(_ATP, "atp", "end-to-end latency 1.5× better", "speed-up", "at least", 1.5, 0.60),
    Claim(_ATP, "atp", "less than 1 % accuracy lost", "points lost", "below", 0.01, 0.60),
    Claim(_ATP, "atp", "suppresses spurious correlations", "shortcut gap added", "below", 0.0),
    Claim(_ATP, "atp", "improves stability under corruption", "excess drop", "below", 0.0),
    Claim(
        _ADAPTINFER,
        "adaptinfer",
        "CUDA latency down by 61.3 % (LLaVA-1.5-7B, 64 tokens)",
        "time saved",
        "at least",
        0.613,
        0.144,
    ),
    Claim(
        _ADAPTINFER,
        "adaptinfer",
        "92.9 % of the accuracy retained (the same)",
        "accuracy retained",
        "at least",
        0.929,
        0.144,
    ),
    Claim(
        _E_ADAPRUNE,
        "e-adaprune",
        "up to 0.6 points gained at a matched mean budget",
        "points gained by adapting",
        "at least",
        0.0,
    ),
    Claim(_E_ADAPRUNE, "e-adaprune", "at most 8 ms added per image", "seconds to prune", "below", 0.008),
    Claim(
        _ATP_LLAVA,
        "atp-llava",
        "98.1 % retained with a quarter of the tokens (LLaVA-1.5-7B)",
        "accuracy retained",
        "at least",
        0.981,
        0.25,
    ),
    Claim(_ATP_LLAVA, "atp-llava", "FLOPs down by 78.1 % (the same)", "flops saved", "at least", 0.781, 0.25),
    Claim(
        _TRANSPRUNE,
        "transprune",
        "no accuracy lost at 41 % of the visual tokens' FLOPs (LLaVA-1.5-7B)",
        "accuracy retained",
        "at least",
        1.0,
        0.41,
    ),
    Claim(
        _HEATVIT,
        "heatvit",
        "28.4 % to 65.3 % less computation at similar accuracy (DeiT, ImageNet)",
        "encoder flops saved",
        "at least",
        0.284,
    ),
    Claim(
        _HEATVIT,
        "heatvit",
        "16.1 % to 23.1 % of tokens pruned without a drop in accuracy",
        "accuracy retained",
        "at least",
        1.0,
        0.80,
    ),
)
