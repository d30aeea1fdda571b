"""What stands behind a net change in accuracy."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.query import ARM
from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.flips import flip_bars
from robust_atp.report.illustrations.forest import tested
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import Subject, at_budgets_drawn, counts


def flips(analysis: Analysis) -> Iterator[Illustration]:
    """Draw answers spoilt and mended on clean images and, on average, on corrupted ones."""
    for subject in at_budgets_drawn(analysis):
        bars = _bars(analysis, subject)
        if bars.empty:
            continue
        yield Illustration(
            kind="flips",
            name=f"flips_{subject.stem}",
            section="loss",
            title=f"Which answers change? {subject.where}",
            caption="Answers that the unpruned model has right and the arm wrong, and the other way round: the same "
            "net change can hide any number of changed answers.",
            basis=f"{counts(bars)}; interval of the net change: t, clustered by image, uncorrected",
            figure=flip_bars(bars),
        )


def _bars(analysis: Analysis, subject: Subject) -> pd.DataFrame:
    """A row per arm and condition: spoilt, mended, net change with its interval."""
    table = subject.rows(analysis.probes["flips"])
    table = table[
        (table["pruner"] != "none") & ((table["severity"] > 0) | (table["intervention"] == "clean"))
    ]
    weighted = table.assign(
        condition=(table["severity"] > 0).map({True: "corrupted", False: "clean"}),
        answers=table["value"] * table["n"],
    )
    sums = weighted.groupby([*ARM, "condition", "quantity"], as_index=False)[["answers", "n"]].sum()
    shares = sums.assign(share=sums["answers"] / sums["n"]).pivot(
        index=[*ARM, "condition"], columns="quantity", values="share"
    )
    net = subject.rows(tested(analysis.noninferiority)).set_index([*ARM, "condition"])
    return (
        net.assign(net=-net["value"], lo=-net["hi"], hi=-net["lo"])
        .join(shares.rename(columns={"right to wrong": "spoilt", "wrong to right": "mended"}), how="inner")
        .dropna(subset=["net"])
        .reset_index()
    )


ILLUSTRATOR = Illustrator(
    name="flips",
    section="loss",
    summary="answers spoilt and mended by pruning, mirrored, with the net change",
    needs="a pruned arm",
    draw=flips,
)
