"""The claims as the page shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    found = []
    for _, rows in measured.groupby(["system", "claim", "measure"], sort=False):
        first: Mapping[Any, Any] = rows.iloc[0].to_dict()
        threshold = _amount(first["measure"], first["threshold"]).lstrip("+")
        wanted = f"{first['measure']} {first['rule']} {threshold}"
        findings = tuple(_finding(row) for row in rows.to_dict("records"))
        found.append(Judged(first["system"], first["claim"], wanted, findings))
    return found


def unjudged(claims: pd.DataFrame) -> list[str]:
    """Systems of which the study has no arm, or not what their claims are about."""
    missing = claims[claims["verdict"] == UNMEASURED]
    return list(dict.fromkeys(f"{row['system']}: {row['claim']}" for row in missing.to_dict("records")))


def _finding(row: Mapping[Any, Any]) -> Finding:
    measure, lo, hi = row["measure"], row["lo"], row["hi"]
    sampled = not math.isnan(lo) and lo != hi
    return Finding(
        where=f"{row['backbone']} on {row['dataset']}",
        arm=Arm(row["pruner"], row["keep"], row["position_policy"]).label,
        estimate=_amount(measure, row["value"]),
        interval=f"{_amount(measure, lo)} to {_amount(measure, hi)}" if sampled else "",
        counts=f"n = {row['n']:,.0f} " + (f"on {row['images']:,.0f} images" if row["images"] else "answers"),
        verdict=row["verdict"],
        note=row["note"],
    )


def _amount(measure: str, value: float) -> str:
    """Write a value in the units of its measure: points, per cent, times or milliseconds."""
    if measure in _SECONDS:
        return f"{1000 * value:.2g} ms"
    if measure in _RATIOS:
        return f"{value:.2f}×"
    if measure in _SHARES:
        return f"{100 * value:.1f} %".replace("-", "−")
    return f"{100 * value:+.1f} points".replace("-", "−").replace("+0.0", "0.0")
