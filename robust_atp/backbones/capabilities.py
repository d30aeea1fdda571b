"""What a backbone offers to pruning methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from robust_atp.errors import UserError


@dataclass(frozen=True)
class Capabilities:
    """What a backbone offers to pruning methods: known from its configuration, before weights are loaded.

    ``lacking`` gives the reason for what is missing, for the error message: by kind of signal
    (``cls_attention``, ``joint_patches``, …), under ``inside`` for dropping inside the decoder, ``original`` for that
    position policy, ``grid`` for a grid.
    """

    name: str
    """Hub id, folder or shipped name."""
    provides: frozenset[str]
    """Names of the signals that ``encode`` can compute."""
    has_text_tower: bool
    """Whether ``embed_questions`` can be called."""
    drops_inside: bool
    """Whether ``answer`` can drop tokens on the way through the decoder."""
    thins_tower: bool = False
    """Whether ``encode`` can drop patches on the way through the vision tower."""
    has_grid: bool = True
    """Whether what is pruned together lies on one grid of the image, or of a tile."""
    keeps_positions: bool = True
    """Whether kept tokens can keep their position ids (position policy ``original``)."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    called: str = ""
    """What a study calls the backbone, if it does."""

    @property
    def title(self) -> str:
        """The backbone in an error message: as the study calls it, with what that stands for."""
        return f"'{self.called}' ({self.name})" if self.called not in ("", self.name) else f"'{self.name}'"

    def check_signals(self, signals: frozenset[str]) -> None:
        """Raise ``UserError`` if ``encode`` cannot compute one of the signals."""
        missing = sorted(signals - self.provides)
        if missing:
            raise UserError(
                f"backbone '{self.name}' lacks signal '{missing[0]}': {self.why_without(missing[0])}"
            )

    def why_without(self, signal: str) -> str:
        """Why ``encode`` cannot compute a signal: the reason of its kind, or what there is instead."""
        reason = self.lacking.get(signal.partition(":")[0])
        return reason or f"the backbone provides: {', '.join(sorted(self.provides)) or 'none'}"
