"""Where inside the vision tower a method cuts, how much stays after each cut, and by what rules."""

from dataclasses import dataclass
from typing import Protocol

from robust_atp.backbones.flops import TowerShape
from robust_atp.backbones.shrinking import Shrinking
from robust_atp.backbones.thinning import Thinning, TowerRule
from robust_atp.pruning.budgets import FixedRatio, rounded
from robust_atp.pruning.inside import cuts_at
from robust_atp.pruning.options import one_of

# What becomes of dropped patches: one token that goes on to the projector, one that lives in the tower, nothing.
PACKAGES = ("projected", "inside", "none")


class TowerPlan(Protocol):
    """How a method makes the vision tower leave fewer tokens."""

    @property
    def placement(self) -> str:
        """Where it cuts, in words."""

    def count(self, keep: float, total: int) -> int:
        """Tokens that leave the tower at budget ``keep``."""

    def thinning(self, keep: float, total: int, tower: TowerShape) -> Thinning | Shrinking | None:
        """What ``Backbone.encode`` is to be given; None if all N patches stay."""


@dataclass(frozen=True)
class InsideTower:
    """A schedule of cuts inside the vision tower, and the rules that choose at them.

    ``after`` are the layers of a tower of ``published_layers`` after which the paper cuts, counted from 1, with
    one rule for each. ``package`` is one of ``PACKAGES``.
    """

    rules: tuple[TowerRule, ...]
    package: str = "projected"
    after: tuple[int, ...] = (6, 12, 18)
    published_layers: int = 24

    def __post_init__(self) -> None:
        one_of("package", self.package, PACKAGES)

    @property
    def placement(self) -> str:
        """Where it cuts, in words."""
        layers = ", ".join(map(str, self.after))
        return (
            f"inside the vision tower, after layers {layers} of {self.published_layers} (scaled to the depth)"
        )

    def depths(self, tower: TowerShape) -> tuple[int, ...]:
        """Layers passed at each cut: the same fractions of the tower's whole depth.

        LLaVA does not project the last layer. In a tower so shallow that a cut would come after the projected
        layer, it comes right behind it: before the projector, where it saves the tower nothing.
        """
        cuts = cuts_at(self.after, self.published_layers, tower.depth)
        return tuple(min(depth, tower.layers) for depth in cuts)

    def count(self, keep: float, total: int) -> int:
        """K = max(1, round(keep · N)), a projected package included."""
        return FixedRatio.count(keep, total)

    def thinning(self, keep: float, total: int, tower: TowerShape) -> Thinning | None:
        """How K = round(keep · N) tokens come to leave the tower; None if all N do.

        Of P patches that leave it, ``round(N · (P / N)^(i / S))`` are left after cut i of S: each cut keeps the
        same share. A package that is projected is one of the K, unless K is 1. Where a shallow tower
        puts two cuts at one place, the deeper one stands.
        """
        count = FixedRatio.count(keep, total)
        if count == total:
            return None
        projected = self.package == "projected" and count > 1
        patches = count - projected
        stages = len(self.after)
        left = [max(patches, rounded((patches / total) ** (i / stages), total)) for i in range(1, stages)]
        by_depth = dict(zip(self.depths(tower), zip([*left, patches], self.rules, strict=True), strict=True))
        cuts = tuple((depth, number) for depth, (number, _) in by_depth.items())
        rules = tuple(rule for _, rule in by_depth.values())
        return Thinning(cuts, rules, self.package != "none", projected)
