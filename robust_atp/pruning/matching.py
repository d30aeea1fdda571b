"""One scale for budgets: what ``keep`` is a share of."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from robust_atp.backbones.flops import PrefillShape
from robust_atp.backbones.resampler_flops import Resampled
from robust_atp.errors import UserError

if TYPE_CHECKING:
    from robust_atp.pruning.method import Method

# tokens: a method's own nominal budget; mean_tokens: visual tokens averaged over the decoder's layers;
# prefill_flops: floating-point operations of the decoder's prefill, spent on visual tokens.
BUDGETS = ("tokens", "mean_tokens", "prefill_flops")

_HALVINGS = 40  # of the nominal budget: far finer than one token in 10^6


def spent(budget: str, tokens_per_layer: list[int], total: int, shape: PrefillShape) -> float:
    """Share of the unpruned model's budget that visual tokens n_l in layer l use up, in (0, 1].

    ``mean_tokens``: ``Σ_l n_l / (L · N)``; ``prefill_flops``: ``Σ_l f(n_l) / (L · f(N))`` with ``f`` the cost of
    a layer. Text is left out of both, so that a budget is the same for every question.
    """
    if budget == "mean_tokens":
        return sum(tokens_per_layer) / (shape.layers * total)
    return shape.flops(tokens_per_layer) / shape.flops([total] * shape.layers)


def nominal_keep(method: "Method", keep: float, budget: str, total: int, shape: PrefillShape) -> float:
    """Nominal budget at which ``method`` spends the share ``keep`` of what ``budget`` counts, or nearest to it.

    ``tokens`` leaves ``keep`` to the method. The other two match methods that cut before and inside the decoder.
    ``UserError`` if what is spent before the first cut, or on what a resampler hands on, is more than ``keep``.
    """
    if budget == "tokens" or (method.inside is not None and method.inside.budget is not None):
        return keep  # a budget of each image's own is calibrated, not matched
    if method.inside is None:
        return _uniform_keep(keep, budget, total, shape)
    inside = method.inside

    def cost(nominal: float) -> float:
        way = inside.dropping(inside.counts(nominal, total, shape.layers), method.position_policy)
        return spent(budget, way.tokens_per_layer(total, shape.layers), total, shape)

    return _nearest_nominal(cost, keep, f"pruner '{method.name}' by {budget}")


def _uniform_keep(keep: float, budget: str, total: int, shape: PrefillShape) -> float:
    """Share of tokens, the same in all layers, whose cost is nearest to ``keep``; of two equally near the smaller."""
    if isinstance(shape, Resampled):
        _check_resampled(keep, budget, total, shape)
    uniform = (spent(budget, [count] * shape.layers, total, shape) for count in range(1, total + 1))
    _, count = min((abs(cost - keep), count) for count, cost in enumerate(uniform, 1))
    return count / total


def _check_resampled(keep: float, budget: str, total: int, shape: Resampled) -> None:
    where = f"before a resampler, which hands {shape.resampler.latents} tokens on whatever is kept"
    if budget == "mean_tokens" and keep < 1:
        raise UserError(
            f"budget mean_tokens cannot be met by pruning {where}; use budget tokens, or prune what it hands on"
        )
    cheapest = spent(budget, [1] * shape.layers, total, shape)
    if cheapest > keep:
        raise UserError(
            f"keep {keep:g} of prefill_flops cannot be reached by pruning {where}: "
            f"nearest valid: {cheapest + 0.0005:.3f}"
        )


def _nearest_nominal(cost: Callable[[float], float], target: float, what: str) -> float:
    """Nominal budget in (0, 1] whose cost, a rising step function, comes nearest to ``target``.

    Of two equally near ones the cheaper. ``UserError`` if even the smallest costs more than ``target``.
    """
    low, high = 1e-9, 1.0
    cheapest = cost(low)
    if cheapest > target:
        raise UserError(
            f"keep {target:g} cannot be reached by {what}, whose first layers see every token: "
            f"nearest valid: {cheapest + 0.0005:.3f}"
        )
    if cost(high) <= target:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= target else (low, middle)
    return low if target - cost(low) <= cost(high) - target else high
