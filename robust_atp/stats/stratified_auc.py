"""Does a score tell events apart within each of many cells, whatever drives both from cell to cell?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.stats import rankdata

from robust_atp.errors import UserError
from robust_atp.stats.bootstrap import Replicates


@dataclass(frozen=True)
class StratifiedAuc:
    """AUCs of one score for E kinds of event, with joint bootstrap replicates and permutation p values [E]."""

    auc: Replicates
    p: np.ndarray


def stratified_auc(
    scores: ArrayLike,
    events: ArrayLike,
    images: ArrayLike,
    *,
    draws: int = 2000,
    permutations: int = 499,
    rng: np.random.Generator | int = 0,
) -> StratifiedAuc:
    """Mean over cells of P[score of an event > score of a non-event] + ½ P[equal], for E kinds of event.

    ``scores`` [I, C] are those of I questions in C cells, nan where there is none; ``events`` [E, I, C] are
    boolean, and nothing counts where the score is nan; ``images`` [I] names the image of each question. With m
    events and n others a cell weighs mn / (m + n), the inverse of its variance by chance, so cells where all or
    none are events fall out. ½ is chance; nan where no cell has both kinds.

    Replicates draw whole images, the same ones for all cells and kinds. p is two-sided, from ``permutations``
    that give an image the scores of another, cell by cell, the same exchange in all cells: what the cells of an
    image share survives. Where the images differ in their number of questions, the scores go round.
    """
    values, flags, names = np.asarray(scores, dtype=float), np.asarray(events), np.asarray(images)
    _check(values, flags, names)
    order = np.argsort(names, kind="stable")
    values, flags = values[order], flags[:, order] & ~np.isnan(values[order])
    group = np.unique(names[order], return_inverse=True)[1]
    rng = np.random.default_rng(rng)
    G = int(group[-1]) + 1 if len(group) else 0
    weights = rng.multinomial(G, np.full(G, 1 / G), size=draws) if G > 1 else np.zeros((0, G))
    auc = _weighted_auc(values, flags, group, np.vstack([np.ones((1, G)), weights]))  # [1 + draws, E]
    replicates = auc[1:] if G > 1 else np.full((draws, len(flags)), np.nan)
    counts = np.full(len(flags), np.count_nonzero(~np.isnan(values)))
    p = _permutation_p(values, flags, group, permutations, rng)
    return StratifiedAuc(Replicates(auc[0], replicates, counts, G), np.where(np.isnan(auc[0]), np.nan, p))


def _weighted_auc(
    scores: np.ndarray, events: np.ndarray, group: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """AUC [B, E] with every image counted as often as ``weights`` [B, G] says."""
    above, possible = np.zeros((2, len(weights), len(events)))
    for cell in range(scores.shape[1]):
        present = np.flatnonzero(~np.isnan(scores[:, cell]))
        # A cell's scores take few values: κ of sets of one size has only as many as the overlap has.
        levels, level = np.unique(scores[present, cell], return_inverse=True)
        shape = (len(levels), weights.shape[1])
        everyone = _counts(level, group[present], shape) @ weights.T  # [V, B]
        for kind, event in enumerate(events[:, present, cell]):
            positive = _counts(level[event], group[present][event], shape) @ weights.T
            negative = everyone - positive
            beaten = np.cumsum(negative, axis=0) - negative / 2
            m, n = positive.sum(axis=0), negative.sum(axis=0)
            size = np.maximum(m + n, 1)
            above[:, kind] += (positive * beaten).sum(axis=0) / size
            possible[:, kind] += m * n / size
    return np.divide(above, possible, out=np.full(above.shape, np.nan), where=possible > 0)


def _counts(level: np.ndarray, group: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """How many questions of each image are at each level of the score [V, G]."""
    return csr_array((np.ones(len(level)), (level, group)), shape=shape)


def _permutation_p(
    scores: np.ndarray, events: np.ndarray, group: np.ndarray, permutations: int, rng: np.random.Generator
) -> np.ndarray:
    centred = np.zeros_like(scores)  # rank less its mean, over the size of the cell
    for cell in range(scores.shape[1]):
        present = ~np.isnan(scores[:, cell])
        ranks = rankdata(scores[present, cell])
        centred[present, cell] = (ranks - (len(ranks) + 1) / 2) / max(len(ranks), 1)
    # Up to a factor that no permutation changes, this is AUC - ½.
    found = events.reshape(len(events), -1).astype(float)  # [E, I·C]
    observed = np.abs(found @ centred.ravel())
    first = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.bincount(group)
    turn = np.arange(len(group)) - first[group]
    reached = np.zeros(len(events))
    for _ in range(permutations):
        other = rng.permutation(len(size))[group]
        exchanged = centred[first[other] + turn % size[other]]
        reached += np.abs(found @ exchanged.ravel()) >= observed - 1e-9
    return (1 + reached) / (1 + permutations)


def _check(scores: np.ndarray, events: np.ndarray, images: np.ndarray) -> None:
    same = events.ndim == 3 and events.shape[1:] == scores.shape and images.shape == scores.shape[:1]
    if events.dtype != bool or not same:
        raise UserError(
            "scores, events and images must be [I, C], boolean [E, I, C] and [I], got "
            f"{scores.shape}, {events.dtype} {events.shape} and {images.shape}"
        )
