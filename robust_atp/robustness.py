"""Robustness metrics on arrays of accuracy [..., corruption, severity 0..S], severity 0 being clean.

Accuracies lie in [0, 1]. Leading axes (bootstrap replicates, say) pass through, so an interval comes from
applying a metric to joint replicates of all cells. A missing cell is nan, and so is everything computed from
it. The reference is the unpruned model of the same backbone, not the AlexNet of the ImageNet-C paper.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from robust_atp.errors import UserError

MODELS_FOR_A_LINE = 5


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


def mmi(accuracy: ArrayLike) -> np.ndarray:
    """Share of clean accuracy that is lost per cell [..., C, S], s ≥ 1; its mean is 1 − ``rpc``.

    (A_c0 − A_cs) / A_c0, negative where corruption helps; nan if clean accuracy is 0.
    Qiu et al., Benchmarking robustness of multimodal image-text models, 2022.
    """
    ladder = _ladder(accuracy)
    return _ratio(_drop(ladder), ladder[..., :1])


def ausc(accuracy: ArrayLike, severities: ArrayLike | None = None) -> np.ndarray:
    """Area under the severity curve per corruption [..., C]: trapezoids over the severities, over their span.

    In [0, 1], clean accuracy included with half the weight of an inner severity. ``severities`` [S + 1] are the
    levels from clean, 0, upwards; by default 0..S.
    """
    ladder = _ladder(accuracy)
    levels = _levels(severities, ladder.shape[-1])
    return np.trapezoid(ladder, levels, axis=-1) / levels[-1]


def worst_cells(accuracy: ArrayLike, share: float = 0.0) -> np.ndarray:
    """Flat indices, into cells [C, S] with s ≥ 1, of the cells with the lowest accuracy, lowest first.

    At least one, else ``share`` of all cells rounded up. Average replicates over these very cells: the lowest
    cells of each replicate would be other ones, and their mean is biased downwards.
    """
    cells = _ladder(accuracy)[..., 1:]
    if cells.ndim != 2:
        raise UserError(f"worst cells are those of one accuracy [C, S + 1], got {np.shape(accuracy)}")
    # The small amount keeps 0.1 · 30 from being rounded up to 4.
    count = max(1, int(np.ceil(share * cells.size - 1e-9)))
    return np.argsort(cells.ravel(), kind="stable")[:count]


def breakdown_severity(
    accuracy: ArrayLike, severities: ArrayLike | None = None, *, retained: float = 0.9
) -> np.ndarray:
    """Severity per corruption [..., C] at which accuracy first falls below ``retained`` times clean accuracy.

    Interpolated between levels; inf where it never does (right-censored above the last level), nan where a cell
    is missing or clean accuracy is 0. Severity need not be monotone in accuracy: the first crossing counts.
    """
    ladder = _ladder(accuracy)
    levels = _levels(severities, ladder.shape[-1])
    above = ladder - retained * ladder[..., :1]  # [..., C, S + 1], positive on clean images
    below = above < 0
    after = np.argmax(below, axis=-1)[..., None]
    before = np.maximum(after - 1, 0)
    left, right = (np.take_along_axis(above, at, axis=-1)[..., 0] for at in (before, after))
    way = _ratio(left, left - right)
    crossing = levels[before[..., 0]] + way * (levels[after[..., 0]] - levels[before[..., 0]])
    found = np.where(below.any(axis=-1), crossing, np.inf)
    return np.where(np.isnan(ladder).any(axis=-1) | (ladder[..., 0] == 0), np.nan, found)


def effective_robustness(
    clean: ArrayLike, shifted: ArrayLike, clean_models: ArrayLike, shifted_models: ArrayLike
) -> np.ndarray:
    """Accuracy under corruption beyond what clean accuracy predicts [...]: ρ = A_shifted − β(A_clean).

    β is the straight line, on the logit scale, through the unpruned models ``clean_models`` and ``shifted_models``
    [..., M]. At least 5 of them, or there is no line to speak of: nan then, and where they are all equally good.
    Accuracies of 0 and 1 are taken for 10⁻⁶ and 1 − 10⁻⁶. Taori et al., Measuring robustness to natural
    distribution shifts in image classification, NeurIPS 2020.
    """
    x, y = _logit(clean_models), _logit(shifted_models)
    if x.shape[-1] < MODELS_FOR_A_LINE:
        return np.full(np.broadcast_shapes(np.shape(clean), np.shape(shifted)), np.nan)[()]
    x0, y0 = x.mean(axis=-1, keepdims=True), y.mean(axis=-1, keepdims=True)
    slope = _ratio(((x - x0) * (y - y0)).sum(axis=-1), ((x - x0) ** 2).sum(axis=-1))
    predicted = expit(y0[..., 0] + slope * (_logit(clean) - x0[..., 0]))
    return np.asarray(shifted, dtype=float) - predicted


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


def _levels(severities: ArrayLike | None, count: int) -> np.ndarray:
    levels = np.arange(count, dtype=float) if severities is None else np.asarray(severities, dtype=float)
    if levels.shape != (count,) or levels[0] != 0 or (np.diff(levels) <= 0).any():
        raise UserError(f"severities must be {count} levels that rise from 0, got {levels.tolist()}")
    return levels


def _logit(accuracy: ArrayLike) -> np.ndarray:
    return logit(np.clip(np.asarray(accuracy, dtype=float), 1e-6, 1 - 1e-6))
