"""Verdicts on the claims of the literature, restricted to what a study measured."""

import math
from typing import Any

import pandas as pd

from robust_atp.query import ARM, POPULATION, Records
from robust_atp.report.claims.literature import LITERATURE, Claim
from robust_atp.report.claims.measures import MEASURES
from robust_atp.report.tables.cost import cost
from robust_atp.report.tables.excess import retention_gap

HOLDS, FAILS, OPEN, UNMEASURED = "holds", "does not hold", "inconclusive", "not measured"

COLUMNS = (
    *("system", "claim", *POPULATION, *ARM, "tokens", "measure", "rule", "threshold"),
    *("value", "lo", "hi", "n", "images", "verdict", "note"),
)

# Shares of tokens further apart than this are another budget than the paper's, and the note says so.
_SAME_BUDGET = 0.05


def check_claims(records: Records) -> pd.DataFrame:
    """Test every claim about a method that the study ran, on every backbone and data set of its own.

    A claim made at one budget is tested on the arm whose tokens, averaged over layers, come nearest; a claim
    without a budget on every arm of the method. *Holds* and *does not hold* each take a one-sided 95 % bound
    on the claim's side of the threshold; between them it is *inconclusive*, with the difference that the study could
    have detected. Claims about methods that were not run are *not measured*.
    """
    shares = cost(records)
    shares = shares.assign(tokens=shares["tokens_mean"] / shares["tokens_total"])
    tables = {claim.measure: MEASURES[claim.measure](records) for claim in LITERATURE}
    gaps = retention_gap(records).rename(columns={"value": "retention_gap"})[
        [*POPULATION, *ARM, "retention_gap"]
    ]
    tables["excess drop"] = tables["excess drop"].merge(gaps, on=[*POPULATION, *ARM], how="left")
    rows = [row for claim in LITERATURE for row in _tested(claim, tables[claim.measure], shares)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested(claim: Claim, table: pd.DataFrame, shares: pd.DataFrame) -> list[dict]:
    method = table["pruner"].str.partition("(")[0] if len(table) else table["pruner"]
    mine = table[method == claim.pruner].merge(shares[[*POPULATION, *ARM, "tokens"]], on=[*POPULATION, *ARM])
    about: dict[str, Any] = {"system": claim.system, "claim": claim.quoted, "measure": claim.measure}
    about |= {"rule": claim.rule, "threshold": claim.threshold}
    if mine.empty:
        return [about | {"verdict": UNMEASURED}]
    if claim.share is not None:
        # Before a resampler fewer patches make no fewer tokens: what was asked for then decides.
        near = mine.assign(
            by_tokens=(mine["tokens"] - claim.share).abs(), by_keep=(mine["keep"] - claim.share).abs()
        )
        near = near.sort_values([*POPULATION, "by_tokens", "by_keep"])
        mine = near.drop_duplicates(list(POPULATION))[list(mine.columns)]
    return [about | row | _verdict(claim, row) for row in mine.to_dict("records")]


def _verdict(claim: Claim, row: dict) -> dict[str, str]:
    notes = []
    if claim.share is not None and abs(row["tokens"] - claim.share) > _SAME_BUDGET:
        notes.append(f"claimed at {claim.share:.0%} of the tokens, measured at {row['tokens']:.0%}")
    if math.isnan(row["lo"]):
        notes.append("wall time of one run on this machine: no interval, so no verdict")
        return {"verdict": OPEN, "note": "; ".join(notes)}
    if row["images"] and row["lo"] == row["hi"]:
        notes.append("no image differs from another: the interval has no width, so no verdict")
        return {"verdict": OPEN, "note": "; ".join(notes)}
    word = _word(claim, row["lo"], row["hi"])
    if word == HOLDS and row.get("retention_gap", -1.0) >= 0:
        notes.append(
            "on this scale only: it had less to lose, and keeps no larger share of its clean accuracy"
        )
    if word == OPEN:
        notes.append(f"detectable: {100 * row['detectable']:.1f} points")
    return {"verdict": word, "note": "; ".join(notes)}


def _word(claim: Claim, lo: float, hi: float) -> str:
    if claim.rule == "below":
        return HOLDS if hi < claim.threshold else FAILS if lo > claim.threshold else OPEN
    return HOLDS if lo >= claim.threshold else FAILS if hi < claim.threshold else OPEN
