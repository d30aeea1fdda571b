import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from robust_atp.sweep.divergence import kl_divergence


def test_divergence_is_scipys_relative_entropy() -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 500)) * [[3], [1]]).float()
    p, q = logits.log_softmax(-1)
    assert kl_divergence(p, q) == pytest.approx(float(entropy(p.exp().double(), q.exp().double())), rel=1e-5)
    assert kl_divergence(p, q) != pytest.approx(kl_divergence(q, p), rel=1e-2)


def test_divergence_from_itself_is_nothing_and_never_negative() -> None:
    p = torch.randn(1000, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    assert kl_divergence(p, p.clone()) == 0
    assert kl_divergence(p, p + 1e-7) >= 0


def test_impossible_tokens() -> None:
    half, sure = torch.tensor([0.5, 0.5]).log(), torch.tensor([1.0, 0.0]).log()
    assert kl_divergence(sure, half) == pytest.approx(math.log(2))
    assert kl_divergence(half, sure) == math.inf
    assert kl_divergence(sure, sure) == 0
    assert math.isnan(kl_divergence(half, torch.tensor([math.nan, math.nan])))
