"""Is the loss smaller than the declared margin? What a claim of "less than 1 % lost" must show."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import t

from robust_atp.declaration import Declaration
from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.score_sums import long_rows, score_sums, seen
from robust_atp.stats import holm, minimum_detectable_effect, obuchowski

SHOWN, REFUTED, OPEN = "non-inferior", "inferior", "inconclusive"

_SUBJECT = (*POPULATION, *ARM)
_TEST = (*_SUBJECT, "condition", "scale")
COLUMNS = (
    *(*_TEST, *CONDITION, "value", "se", "lo", "hi", "lo_tost", "bound", "margin", "p_noninferior"),
    *("p_inferior", "p_difference", "p_obuchowski", "discordance", "detectable", "provable_margin"),
    *("n", "images", "verdict"),
)


def noninferiority_table(records: Records, declaration: Declaration | None = None) -> pd.DataFrame:
    """Loss of every arm against the declared margin, paired by question and clustered by image.

    ``condition`` is clean, corrupted (mean over all corruptions and severities) or worst cell. ``scale`` is loss,
    L = A_unpruned - A_arm against ``margin``, or retained, L = r·A_unpruned - A_arm against 0 with r the declared
    share: a linear contrast and no ratio. Shares, positive where pruning costs.

    ``bound`` is the one-sided upper bound of level 1 - alpha and ``lo_tost`` its lower twin; ``lo`` and ``hi`` have
    the declared two-sided level. ``p_noninferior`` tests L ≥ margin, ``p_inferior`` L ≤ margin and
    ``p_difference`` L = 0 by clustered t, ``p_obuchowski`` L = 0 by McNemar's test for clusters. ``discordance``
    is the share of questions that the two arms score differently, ``detectable`` the smallest loss that the study
    finds four times out of five, ``provable_margin`` the smallest margin that it proves as often if nothing is lost.

    Non-inferior: bound below the margin. Inferior: ``lo_tost`` above it. Worst cell is the corrupted cell with
    the highest bound: non-inferior only if every cell is (intersection-union, which needs no correction), inferior if
    some cell is after Holm over the cells.
    """
    declaration = declaration or Declaration()
    by_cell = _sums_by_cell(records)
    corrupted = by_cell[by_cell["severity"] > 0]
    whole = pd.concat(
        [
            by_cell[by_cell["intervention"] == "clean"].assign(condition="clean"),
            _averaged(corrupted).assign(condition="corrupted"),
        ]
    )
    cells = _tested(corrupted.assign(condition="worst cell"), (*_TEST, *CONDITION), declaration)
    table = pd.concat([_tested(whole, _TEST, declaration).assign(intervention="", severity=0), _worst(cells)])
    table["verdict"] = np.select(
        [table["p_noninferior"] < declaration.alpha, table["p_inferior"] < declaration.alpha],
        [SHOWN, REFUTED],
        OPEN,
    )
    return table.sort_values(list(_TEST), ignore_index=True)[list(COLUMNS)]


def _sums_by_cell(records: Records) -> pd.DataFrame:
    """Sums per image and cell of both arms' scores, on the questions that both answered."""
    return long_rows(score_sums(records).pairs, seen)


def _averaged(corrupted: pd.DataFrame) -> pd.DataFrame:
    """Sums divided by the arm's number of cells, so that n counts questions and not answers."""
    cells = (
        corrupted[[*_SUBJECT, *CONDITION]].drop_duplicates().groupby(list(_SUBJECT)).size().rename("cells")
    )
    joined = corrupted.join(cells, on=list(_SUBJECT))
    sums = ["whole", "arm", "discordant", "den"]
    return joined.assign(**{name: joined[name] / joined["cells"] for name in sums})


def _tested(rows: pd.DataFrame, keys: Sequence[str], declaration: Declaration) -> pd.DataFrame:
    """Both scales of every row's question, tested."""
    scales = {"loss": 1.0, "retained": declaration.retained}
    both = pd.concat(
        [rows.assign(scale=scale, num=share * rows["whole"] - rows["arm"]) for scale, share in scales.items()]
    )
    table = per_dataset(both, keys, partial(t_tests, declaration=declaration))
    of_both = [key for key in keys if key != "scale"]
    counted = rows.groupby(of_both)[["discordant", "den"]].sum()
    return table.join((counted["discordant"] / counted["den"]).rename("discordance"), on=of_both)


def t_tests(sums: ImageSums, declaration: Declaration) -> pd.DataFrame:
    """One-sided and two-sided clustered t tests of every cell, whose column ``scale`` says against what."""
    one_sided = sums.t_table(1 - 2 * declaration.alpha)
    table = sums.t_table(declaration.level).assign(lo_tost=one_sided["lo"], bound=one_sided["hi"])
    table["margin"] = np.where(table["scale"] == "loss", declaration.margin, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(table["se"] > 0, (table["value"] - table["margin"]) / table["se"], np.nan)
    unit = table["se"] * minimum_detectable_effect(1.0, alpha=2 * declaration.alpha)
    return table.rename(columns={"p": "p_difference"}).assign(
        p_noninferior=t.cdf(beyond, table["images"] - 1),
        p_inferior=t.sf(beyond, table["images"] - 1),
        p_obuchowski=[
            obuchowski(d[here], np.zeros(here.sum())).pvalue if scale == "loss" else np.nan
            for d, here, scale in zip(sums.num.T, sums.den.T > 0, table["scale"], strict=True)
        ],
        detectable=table["se"] * minimum_detectable_effect(1.0, alpha=declaration.alpha),
        provable_margin=np.where(table["scale"] == "loss", unit, np.nan),
    )


def _worst(cells: pd.DataFrame) -> pd.DataFrame:
    """The cell with the highest bound stands for its arm; it is as significant as the least significant cell."""
    adjusted = cells.groupby(list(_TEST))["p_inferior"].transform(lambda p: holm(p.to_numpy()))
    groups = cells.assign(p_inferior=adjusted, height=cells["bound"].fillna(np.inf)).groupby(list(_TEST))
    worst = cells.loc[groups["height"].idxmax()]
    keys = pd.MultiIndex.from_frame(worst[list(_TEST)])
    # A cell without a test leaves the intersection-union without one: max and min would skip it.
    largest = groups["p_noninferior"].agg(lambda p: p.max(skipna=False))
    return worst.assign(
        p_noninferior=largest.loc[keys].to_numpy(), p_inferior=groups["p_inferior"].min().loc[keys].to_numpy()
    )
