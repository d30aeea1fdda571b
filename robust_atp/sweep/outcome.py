"""What became of a unit."""

from dataclasses import dataclass

from robust_atp.sweep.plan import Unit


@dataclass(frozen=True)
class Outcome:
    """Done if ``reason`` is None: then the unit's records are on disk. Otherwise failed, and why."""

    unit: Unit
    rows: int = 0
    reason: str | None = None
    details: str = ""
    spent: bool = False
    """The process should get no more work: its accelerator ran out of memory and is left fragmented."""
