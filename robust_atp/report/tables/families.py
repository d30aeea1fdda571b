"""Tests by family, each corrected as the study declares: primary, secondary, exploratory."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from robust_atp.declaration import Declaration
from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, POPULATION, Records
from robust_atp.report.arms import CONTROL_PRUNERS
from robust_atp.report.tables.excess import differences
from robust_atp.stats import benjamini_hochberg, holm, maxt

NOT_SHOWN, NO_DIFFERENCE = UNDECIDED = "not shown", "no difference detected"

PRIMARY_COLUMNS = (
    *(*POPULATION, *ARM, "endpoint", "value", "lo", "hi", "margin", "p", "p_primary", "alpha"),
    *("detectable", "n", "images", "verdict"),
)

_SUBJECT = [*POPULATION, *ARM]


def primary_endpoints(
    mean_excess_drop: pd.DataFrame,
    noninferiority: pd.DataFrame,
    severity_slope: pd.DataFrame,
    declaration: Declaration | None = None,
) -> pd.DataFrame:
    """The declared endpoints of every method, from the tables of the same names.

    ``p_primary`` is Holm's over endpoints × methods of one backbone and data set; controls (unpruned, random) are
    no members. The interval belongs to the test before correction: of level 1 - 2·alpha where it is one-sided
    against ``margin``, of level 1 - alpha where it is two-sided against 0. ``detectable`` is the smallest effect that
    the study finds four times out of five.
    """
    declaration = declaration or Declaration()
    sources = {"excess": mean_excess_drop, "loss": noninferiority, "slope": severity_slope}
    found = [
        _ENDPOINTS[name](sources, declaration).assign(endpoint=name).rename(columns={"answers": "n"})
        for name in declaration.primary
    ]
    table = pd.concat(found, ignore_index=True)
    table = table[~table["pruner"].isin(CONTROL_PRUNERS)]
    p_primary = table.groupby(list(POPULATION))["p"].transform(lambda p: holm(p.to_numpy()))
    table = table.assign(p_primary=p_primary, alpha=declaration.alpha)
    table["verdict"] = [_verdict(row) for row in table.to_dict("records")]
    order = {name: number for number, name in enumerate(declaration.primary)}
    table = table.sort_values(
        [*_SUBJECT, "endpoint"], key=lambda c: c.map(order) if c.name == "endpoint" else c
    )
    return table[list(PRIMARY_COLUMNS)].reset_index(drop=True)


def excess_by_corruption(records: Records, declaration: Declaration | None = None) -> pd.DataFrame:
    """Mean excess drop over the severities of each corruption: the secondary family.

    ``p_secondary`` is corrected over corruptions × methods of one backbone and data set, by step-down maxT (sign flips
    of whole images) or by Holm, as declared; controls have a ``p`` but are no members of the family.
    """
    declaration = declaration or Declaration()

    def corrected(sums: ImageSums) -> pd.DataFrame:
        table = sums.t_table().assign(p_secondary=np.nan, correction=declaration.secondary)
        methods = table[~table["pruner"].isin(CONTROL_PRUNERS)]
        for _, family in methods.groupby(list(POPULATION)):
            if declaration.secondary == "maxt":
                adjusted = maxt(sums.num[:, family.index], rng=declaration.seed)
            else:
                adjusted = holm(family["p"])
            table.loc[family.index, "p_secondary"] = adjusted
        return table

    keys = (*POPULATION, *ARM, "intervention")
    return per_dataset(differences(records), keys, corrected).rename(columns={"n": "answers"})


def with_exploratory(excess_drop: pd.DataFrame) -> pd.DataFrame:
    """The table with ``p_exploratory``: Benjamini-Hochberg over cells × methods of a backbone and data set."""
    methods = excess_drop["p"].where(~excess_drop["pruner"].isin(CONTROL_PRUNERS))
    adjusted = methods.groupby([excess_drop[key] for key in POPULATION]).transform(
        lambda p: benjamini_hochberg(p.to_numpy())
    )
    return excess_drop.assign(p_exploratory=adjusted)


_Tables = Mapping[str, pd.DataFrame]


def _excess(tables: _Tables, declaration: Declaration) -> pd.DataFrame:
    return _against_zero(tables["excess"], declaration)


def _excess_below(tables: _Tables, declaration: Declaration) -> pd.DataFrame:
    table = tables["excess"]
    beyond = (table["value"] - declaration.margin) / table["se"].where(table["se"] > 0)
    tested = table.assign(p=t.cdf(beyond, table["images"] - 1), margin=declaration.margin)
    return _with_interval(tested, 2 * declaration.alpha)


def _slope(tables: _Tables, declaration: Declaration) -> pd.DataFrame:
    table = tables["slope"]
    return _against_zero(table[(table["scale"] == "probability") & (table["term"] == "slope")], declaration)


def _loss(condition: str, scale: str = "loss") -> Callable[[_Tables, Declaration], pd.DataFrame]:
    def below(tables: _Tables, _: Declaration) -> pd.DataFrame:
        table = tables["loss"]
        rows = table[(table["condition"] == condition) & (table["scale"] == scale)]
        return rows.assign(lo=rows["lo_tost"], hi=rows["bound"], p=rows["p_noninferior"])

    return below


def _against_zero(table: pd.DataFrame, declaration: Declaration) -> pd.DataFrame:
    return _with_interval(table.assign(margin=np.nan), declaration.alpha)


def _with_interval(table: pd.DataFrame, outside: float) -> pd.DataFrame:
    half = t.ppf(1 - outside / 2, table["images"] - 1) * table["se"]
    return table.assign(lo=table["value"] - half, hi=table["value"] + half)


_ENDPOINTS: Mapping[str, Callable[[_Tables, Declaration], pd.DataFrame]] = {
    "mean_excess_drop": _excess,
    "mean_excess_noninferiority": _excess_below,
    "clean_noninferiority": _loss("clean"),
    "corrupted_noninferiority": _loss("corrupted"),
    "worst_cell_noninferiority": _loss("worst cell"),
    "clean_retention": _loss("clean", "retained"),
    "severity_slope": _slope,
}


def _verdict(row: Mapping[Any, Any]) -> str:
    """What the corrected test says: ``shown`` about a margin, ``costs extra`` or ``costs less`` about 0."""
    if not row["p_primary"] < row["alpha"]:
        return NO_DIFFERENCE if math.isnan(row["margin"]) else NOT_SHOWN
    if not math.isnan(row["margin"]):
        return "shown"
    return "costs extra" if row["value"] > 0 else "costs less"
