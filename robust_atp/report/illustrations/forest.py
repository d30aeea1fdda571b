"""Losses against the margin."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.forest import forest
from robust_atp.report.figures.style import amount
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.margin import MARGIN
from robust_atp.report.illustrations.subject import budgets, counts, slug

# More lines than these are read budget by budget.
_LINES = 30


def losses(analysis: Analysis) -> Iterator[Illustration]:
    """Draw each backbone's losses, a block per data set: in one figure if it is readable, else one per budget."""
    for backbone, rows in analysis.mean_loss.groupby("backbone", sort=False):
        for budget, part in _parts(rows[rows["value"].notna()]):
            yield Illustration(
                kind="forest",
                name=f"forest_{slug(str(backbone), *([f'keep{budget}'] if budget else []))}",
                section="loss",
                title=f"What pruning costs: {backbone}" + (f", {budget} % of tokens kept" if budget else ""),
                caption="Accuracy of the unpruned model minus that of the arm, on the same questions. Non-inferior: "
                f"the loss is below the margin of {amount(MARGIN)} at 5 %, one-sided; inferior: it is above; "
                "inconclusive: this study cannot tell.",
                basis=f"{counts(part.rename(columns={'answers': 'n'}))}; thick 90 %, thin 95 % t intervals "
                "clustered by image, uncorrected",
                figure=forest(part, MARGIN),
            )


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
