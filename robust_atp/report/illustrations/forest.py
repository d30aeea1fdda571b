"""Losses against the margin."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.forest import forest
from robust_atp.report.figures.style import amount
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import budgets, counts, slug

# More lines than these are read budget by budget.
_LINES = 30


def losses(analysis: Analysis) -> Iterator[Illustration]:
    """Draw each backbone's losses, a block per data set: in one figure if it is readable, else one per budget."""
    for backbone, rows in tested(analysis.noninferiority).groupby("backbone", sort=False):
        for budget, part in _parts(rows):
            yield Illustration(
                kind="forest",
                name=f"forest_{slug(str(backbone), *([f'keep{budget}'] if budget else []))}",
                section="loss",
                title=f"What pruning costs: {backbone}" + (f", {budget} % of tokens kept" if budget else ""),
                caption="Accuracy of the unpruned model minus that of the arm, on the same questions. Non-inferior: "
                f"the loss is below the margin of {amount(part['margin'].iloc[0])}; inferior: it is above; "
                "inconclusive: this study cannot tell.",
                basis=f"{counts(part)}; t intervals clustered by image, thin at the declared level (95 % if none "
                "is declared), thick between the one-sided bounds; uncorrected",
                figure=forest(part),
            )


def tested(noninferiority: pd.DataFrame) -> pd.DataFrame:
    """Losses on clean images and on average over corrupted ones, where there is an estimate."""
    rows = noninferiority[noninferiority["condition"].isin(["clean", "corrupted"])]
    return rows[(rows["scale"] == "loss") & rows["value"].notna()]


def _parts(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    arms = rows.groupby(["dataset", "split", "condition"]).size().max() if len(rows) else 0
    if 0 < arms <= _LINES:
        yield "", rows
    elif arms:
        for keep in budgets(rows):
            yield f"{100 * keep:.3g}", rows[rows["keep"] == keep]


ILLUSTRATOR = Illustrator(
    name="forest",
    section="loss",
    summary="loss of every arm with 90 % and 95 % intervals against the margin",
    needs="a pruned arm",
    draw=losses,
)
