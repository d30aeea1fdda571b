"""Robustness metrics on arrays of accuracy [..., corruption, severity 0..S], severity 0 being clean.

Accuracies lie in [0, 1]. Leading axes (bootstrap replicates, say) pass through, so an interval comes from
applying a metric to joint replicates of all cells. A missing cell is nan, and so is everything computed from
it. The reference is the unpruned model of the same backbone, not the AlexNet of the ImageNet-C paper.
"""

import numpy as np
from numpy.typing import ArrayLike

from robust_atp.errors import UserError


def corruption_error(accuracy: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Corruption error Σ_s E_cs / Σ_s E_cs^ref per corruption [..., C], with E = 1 − accuracy and s ≥ 1.

    1 means as error-prone as the reference; nan where the reference makes no error.
    Hendrycks and Dietterich, Benchmarking neural network robustness, ICLR 2019.
    """
    error, reference_error = 1 - _ladder(accuracy), 1 - _ladder(reference)
    return _ratio(error[..., 1:].sum(axis=-1), reference_error[..., 1:].sum(axis=-1))


def mce(accuracy: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Mean of ``corruption_error`` over corruptions [...]; 1 for the reference itself."""
    return corruption_error(accuracy, reference).mean(axis=-1)


def relative_corruption_error(accuracy: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Relative corruption error Σ_s (E_cs − E_c0) / Σ_s (E_cs^ref − E_c0^ref) per corruption [..., C].

    nan where corruption costs the reference nothing. Where it costs next to nothing (JPEG, brightness) the
    ratio is wild: prefer ``excess_drop`` there.
    """
    drop, reference_drop = _drop(_ladder(accuracy)), _drop(_ladder(reference))
    return _ratio(drop.sum(axis=-1), reference_drop.sum(axis=-1))


def relative_mce(accuracy: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Mean of ``relative_corruption_error`` over corruptions [...]; 1 for the reference itself."""
    return relative_corruption_error(accuracy, reference).mean(axis=-1)


def mpc(accuracy: ArrayLike) -> np.ndarray:
    """Mean performance under corruption: mean accuracy over corruptions and severities s ≥ 1 [...].

    Michaelis et al., Benchmarking robustness in object detection, 2019.
    """
    return _ladder(accuracy)[..., 1:].mean(axis=(-2, -1))


def rpc(accuracy: ArrayLike) -> np.ndarray:
    """Relative performance under corruption: ``mpc`` / clean accuracy [...]; nan if clean accuracy is 0.

    It rewards a poor clean accuracy, so read it beside ``mpc``.
    """
    return _ratio(mpc(accuracy), _ladder(accuracy)[..., 0].mean(axis=-1))


def excess_drop(pruned: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Accuracy that pruning costs under corruption beyond what it costs on clean images [..., C, S], s ≥ 1.

    X_cs = (A_c0 − A_cs) − (A_c0^ref − A_cs^ref), in [−2, 2]. 0: pruning costs nothing extra under corruption;
    positive: it makes the model less robust.
    """
    return _drop(_ladder(pruned)) - _drop(_ladder(reference))


def ausc(accuracy: ArrayLike) -> np.ndarray:
    """Area under the severity curve per corruption [..., C]: trapezoids over s = 0..S, divided by S.

    In [0, 1], clean accuracy included with half the weight of an inner severity.
    """
    ladder = _ladder(accuracy)
    return np.trapezoid(ladder, axis=-1) / (ladder.shape[-1] - 1)


def _ladder(accuracy: ArrayLike) -> np.ndarray:
    ladder = np.asarray(accuracy, dtype=float)
    if ladder.ndim < 2 or ladder.shape[-1] < 2 or ladder.shape[-2] < 1:
        raise UserError(f"accuracy must be [corruption, severity 0..S] with S at least 1, got {ladder.shape}")
    # Replicates W·num / W·den of a perfect cell come out at 1 + 2e-16.
    if np.any((ladder < -1e-9) | (ladder > 1 + 1e-9)):
        raise UserError(
            f"accuracy must lie in [0, 1], got up to {np.nanmax(np.abs(ladder)):g}; divide percent by 100"
        )
    return ladder


def _drop(ladder: np.ndarray) -> np.ndarray:
    return ladder[..., :1] - ladder[..., 1:]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    undefined = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) != 0)[()]
