"""The claims as the page shows them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from robust_atp.report.arms import Arm
from robust_atp.report.claims.check import UNMEASURED

_SECONDS = ("seconds to prune",)
_RATIOS = ("speed-up",)
_SHARES = ("accuracy retained", "flops saved", "encoder flops saved", "time saved")


@dataclass(frozen=True)
class Finding:
    """What one arm of this study says about a claim, in words and numbers with units."""

    where: str
    arm: str
    estimate: str
    interval: str
    counts: str
    verdict: str
    note: str


@dataclass(frozen=True)
class Judged:
    """A claim with its findings."""

    system: str
    claim: str
    wanted: str
    findings: tuple[Finding, ...]


def judged(claims: pd.DataFrame) -> list[Judged]:
    """Claims that the study measured, in the order of the literature's table."""
    measured = claims[claims["verdict"] != UNMEASURED]
    keys = ["system", "claim", "measure", "rule", "threshold"]
    return [
        Judged(
            system,
            claim,
            f"{measure} {rule} {_amount(measure, threshold).lstrip('+')}",
            tuple(_findings(rows)),
        )
        for (system, claim, measure, rule, threshold), rows in measured.groupby(keys, sort=False)
    ]


def unjudged(claims: pd.DataFrame) -> list[str]:
    """Systems of which the study has no arm, or not what their claims are about."""
    missing = claims[claims["verdict"] == UNMEASURED]
    return list(dict.fromkeys(f"{row.system}: {row.claim}" for row in missing.itertuples()))


def _findings(rows: pd.DataFrame) -> Iterator[Finding]:
    for row in rows.itertuples():
        sampled = row.lo != row.hi
        yield Finding(
            where=f"{row.backbone} on {row.dataset}",
            arm=Arm(row.pruner, row.keep, row.position_policy).label,
            estimate=_amount(row.measure, row.value),
            interval=f"{_amount(row.measure, row.lo)} to {_amount(row.measure, row.hi)}"
            if sampled and row.lo == row.lo
            else "",
            counts=f"n = {row.n:,.0f}" + (f" on {row.images:,.0f} images" if row.images else " answers"),
            verdict=row.verdict,
            note=row.note,
        )


def _amount(measure: str, value: float) -> str:
    """Write a value in the units of its measure: points, per cent, times or milliseconds."""
    if measure in _SECONDS:
        return f"{1000 * value:.2g} ms"
    if measure in _RATIOS:
        return f"{value:.2f}×"
    if measure in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{100 * value:+.1f} points".replace("-", "−").replace("+0.0", "0.0")
