"""Where inside the decoder a method cuts, how much stays after each cut, and by what rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from robust_atp.backbones.dropping import Dropping, Observer, Rule
from robust_atp.pruning.budgets import Budget, rounded


class Shares(Protocol):
    """Shares of the N visual tokens that stay after each cut, not increasing, from a nominal budget.

    What they cost rises with ``nominal`` in (0, 1]; at 1 they are all 1.
    """

    def __call__(self, nominal: float) -> tuple[float, ...]:
        """Return one share for each cut."""


@dataclass(frozen=True)
class Powers:
    """``nominal``, ``nominal²``, … : the same share of what was left goes on at every cut."""

    cuts: int = 1

    def __call__(self, nominal: float) -> tuple[float, ...]:
        """Return ``nominal ** c`` for cut c = 1, 2, …"""
        return tuple(nominal**number for number in range(1, self.cuts + 1))


@dataclass(frozen=True)
class Table:
    """Published shares at published nominal budgets, and straight lines between them, nothing and everything."""

    rows: tuple[tuple[float, tuple[float, ...]], ...]  # ascending in the nominal budget

    def __call__(self, nominal: float) -> tuple[float, ...]:
        """Interpolate; the published rows come out exactly."""
        cuts = len(self.rows[0][1])
        rows = ((0.0, (0.0,) * cuts), *self.rows, (1.0, (1.0,) * cuts))
        above = next(number for number, row in enumerate(rows) if row[0] >= nominal)
        if rows[above][0] == nominal:
            return rows[above][1]
        (low, less), (high, more) = rows[above - 1], rows[above]
        weight = (nominal - low) / (high - low)
        return tuple(a + weight * (b - a) for a, b in zip(less, more, strict=True))


@dataclass(frozen=True)
class InsideDecoder:
    """A schedule of cuts inside the decoder and the rule that chooses at each of them.

    ``after`` are the layers of a decoder of ``published_layers`` after which the paper cuts, counted from 1.
    Other decoders are cut at the same fractions of their depth, see ``cuts_at``. With ``observer``, it watches
    the layers from the (scaled) first cut's layer up to the last cut. With ``budget``, each image has a nominal
    budget of its own, K / N. With ``adaptive`` the rule decides how many stay; ``shares`` are its averages.
    """

    after: tuple[int, ...]
    shares: Shares
    rule: Rule
    observer: Observer | None = None
    published_layers: int = 32
    to_count: Callable[[float, int], int] = rounded
    budget: Budget | None = None
    adaptive: bool = False

    @property
    def placement(self) -> str:
        """Where it cuts, in words."""
        layers = ", ".join(map(str, self.after))
        return f"inside the language model, after layers {layers} of {self.published_layers} (scaled to the depth)"

    def counts(self, nominal: float, total: int, layers: int) -> tuple[tuple[int, int], ...]:
        """(layers passed, tokens left) of each cut. At least one token unless the share is 0.

        Where a shallow decoder puts two cuts at one place, the smaller count stands.
        """
        counts = {}
        for depth, share in zip(
            cuts_at(self.after, self.published_layers, layers), self.shares(nominal), strict=True
        ):
            counts[depth] = max(self.to_count(share, total), 1 if share > 0 else 0)
        return tuple(counts.items())

    def dropping(
        self, cuts: tuple[tuple[int, int], ...], position_policy: str, grid: tuple[int, int] | None = None
    ) -> Dropping:
        """Bind the rule to cuts that ``counts`` returned."""
        return Dropping(cuts, self.rule, position_policy, self.observer, cuts[0][0], self.adaptive, grid)


def cuts_at(after: tuple[int, ...], published_layers: int, layers: int) -> tuple[int, ...]:
    """Layers of a decoder of another depth after which to cut: the same fractions of the depth, halves up.

    Cuts are then moved apart, deeper ones first making room, so that a decoder of 4 layers is cut after 1, 2
    and 3 by every three-stage method. If there are more cuts than places, several share the last place.
    """
    cuts: list[int] = []
    for number, depth in enumerate(after):
        room = len(after) - 1 - number  # cuts that must still fit below this one
        scaled = int(depth * layers / published_layers + 0.5)
        lowest = cuts[-1] + 1 if cuts else 1
        cuts.append(min(max(min(scaled, layers - 1 - room), lowest), layers - 1))
    return tuple(cuts)
