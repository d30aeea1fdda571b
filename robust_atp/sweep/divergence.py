"""How far pruning moves the distribution of the first answer token."""

import torch
from torch import Tensor


def kl_divergence(reference: Tensor, other: Tensor) -> float:
    """KL(p || q) = Σ p (log p - log q) in nats, of log-probabilities log p = ``reference`` and log q = ``other`` [V].

    In [0, inf]: what p rules out adds nothing, what q alone rules out makes it infinite. nan for the nan of a
    broken model.
    """
    log_p, log_q = reference.double(), other.double()
    # Where p is 0 the product would be 0 · inf.
    terms = torch.where(log_p == -torch.inf, 0.0, log_p.exp() * (log_p - log_q))
    # Rounding takes the sum of nearly equal distributions below 0.
    return float(terms.sum().clamp(min=0.0))
