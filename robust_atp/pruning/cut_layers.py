"""Where a decoder's attention to the image shifts, and so where to cut (AdaptInfer's offline analysis)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from robust_atp.errors import UserError

# Change points of a series [L, K]: layers c, counted from 1, after which it goes on differently.
Search = Callable[[np.ndarray], list[int]]


@dataclass(frozen=True)
class Shifts:
    """How often attention shifts after each layer, over many prompts."""

    counts: np.ndarray  # [L - 1], after layer 1, 2, …
    prompts: int

    def cuts(self, number: int = 3) -> list[int]:
        """The ``number`` layers after which attention shifts most often, ascending; the shallower among equals."""
        if len(self.counts) < number:
            raise UserError(f"a decoder of {len(self.counts) + 1} layers cannot be cut at {number} places")
        order = np.argsort(-self.counts, kind="stable")[:number]
        return sorted(int(layer) + 1 for layer in order)


def count_shifts(profiles: Iterable[np.ndarray], layers: int, search: Search, share: float = 0.1) -> Shifts:
    """Count change points of text-to-vision attention [L, N], one profile per prompt.

    Of each prompt the ``share`` of visual tokens with most attention, summed over layers, is looked at: for each
    of them its attention is accumulated over layers and searched on its own.
    """
    counts = np.zeros(layers - 1, dtype=np.int64)
    prompts = 0
    for profile in profiles:
        prompts += 1
        totals = profile.sum(0)
        chosen = np.argsort(-totals, kind="stable")[: max(1, round(share * len(totals)))]
        for token in chosen:
            for layer in search(profile[:, token].cumsum()[:, None]):
                counts[layer - 1] += 1
    return Shifts(counts, prompts)


def one_change(series: np.ndarray, shortest: int = 2) -> list[int]:
    """The one split of a series [L, K] that leaves the least squared deviation from the two means.

    Both parts hold at least ``shortest`` layers, fewer where L < 3 · shortest. It is what
    ``ruptures.Binseg(model="l2", jump=1).predict(n_bkps=1)``, which the paper's code calls, searches for.
    """
    length = len(series)
    shortest = max(1, min(shortest, length // 3))
    splits = range(shortest, length - shortest + 1)
    return [min(splits, key=lambda split: _deviation(series[:split]) + _deviation(series[split:]))]


def all_changes(series: np.ndarray, penalty: float) -> list[int]:
    """As many splits as pay for themselves: PELT with a squared-deviation cost, see ``ruptures``.

    ``penalty`` is in units of the series' variance. ``UserError`` without the package ``ruptures``.
    """
    try:
        import ruptures
    except ModuleNotFoundError as error:
        raise UserError("--penalty needs the package ruptures: pip install 'robust-atp[analysis]'") from error
    scaled = series / (series.std() or 1.0)
    return ruptures.Pelt(model="l2", min_size=1, jump=1).fit(scaled).predict(pen=penalty)[:-1]


def _deviation(part: np.ndarray) -> float:
    return float(((part - part.mean(0)) ** 2).sum())
